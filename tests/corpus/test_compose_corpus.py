"""The compose files of real projects: which are v1, and what the upgrade keeps of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import projects
import pytest

from nself_tasks.artifacts import compose
from nself_tasks.artifacts.compose_meaning import differences, meaning
from nself_tasks.artifacts.compose_project import used
from nself_tasks.artifacts.compose_upgrade import steps
from nself_tasks.artifacts.compose_validation import violations
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.artifacts.upgrade import upgraded
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.yaml_spans import Node

pytestmark = [pytest.mark.corpus, pytest.mark.usefixtures("corpus")]

CLONE = Path(__file__).parents[2]
CORPUS = projects.CORPUS
Place = Callable[[str], Path]
COMPOSE = PurePosixPath("docker-compose.yml")
V1 = {
    "_generated/nself-0.1.0-simple": "compose-prefix",
    "_generated/nself-v0.2.4-simple": "compose-prefix",
    "_generated/nself-v0.4.0-simple": "compose-header",
    "_generated/nself-v0.4.4-demo": "compose-header",
    "_generated/nself-v0.4.8-simple": "compose-header",
    "_generated/nself-v0.9.5-demo": "compose-header",
    "_generated/nself-v0.9.9-core": "compose-header",
    "_generated/nself-v0.9.9-demo": "compose-header",
    "acamarata-nself-app@v1/backend": "compose-header",
    "acamarata-nself-family@v1/backend": "compose-header",
    "nself-org-task@v1-1c7af61/backend": "compose-header",
    "nself-org-chat@trap-4b0bcd8/backend": "compose-edited-header",
}
V2 = {"nself-org-task@v2-760dadb/backend"}
BY_HAND = {"nself-org-admin-ci/.github/ci", "nself-org-chat@trap-4b0bcd8/.github/deploy/docker"}
MANUAL = {
    folder: ["docker-compose.override.yml"]
    for folder in (
        "acamarata-nself-app@v1/backend",
        "nself-org-task@v1-1c7af61/backend",
        "nself-org-task@v2-760dadb/backend",
    )
}
"""The override that puts the old DATABASE_URL and JWT secret on top."""


def read(folder: Path) -> Evidence:
    files: set[PurePosixPath] = set()
    texts: dict[PurePosixPath, str] = {}
    for pattern in (*compose.KIND.lists, *compose.KIND.reads):
        for path in folder.glob(pattern):
            name = PurePosixPath(path.relative_to(folder))
            files.add(name)
            if pattern in compose.KIND.reads:
                texts[name] = path.read_bytes().decode()
    return Evidence(frozenset(files), frozenset(), texts)


def upgrade(project: Evidence) -> Evidence:
    found = sorted(compose.detect(project), key=lambda f: (f.path, f.line or 0, f.rule))
    texts = dict(project.texts)
    for path, done in upgraded(project, found).items():
        assert done.text is not None
        texts[path] = done.text
    return Evidence(project.files, project.folders, texts)


def manual(findings: list[Finding]) -> list[str]:
    return [str(finding.path) for finding in findings if finding.status == "manual"]


@pytest.mark.parametrize("folder", V1)
def test_is_found_v1_and_is_v2_afterwards(folder: str, place: Place) -> None:
    project = read(place(folder))
    before = list(compose.detect(project))
    assert (before[0].rule, before[0].status) == (V1[folder], "migrate"), before[0].message
    after = list(compose.detect(upgrade(project)))
    assert (after[0].rule, after[0].status) == ("compose-v2", "ok")
    assert not any(finding.changes or finding.status == "migrate" for finding in after)
    assert manual(before) == manual(after) == MANUAL.get(folder, [])


@pytest.mark.parametrize("folder", V1)
def test_nothing_is_lost_but_what_is_announced(folder: str, place: Place) -> None:
    project = read(place(folder))
    text = project.texts[COMPOSE]
    root, result = (yaml_spans.read(p.texts[COMPOSE]) for p in (project, upgrade(project)))
    assert isinstance(root, Node)
    assert isinstance(result, Node)
    planned, found = steps(project, text, root), used(project, text, root)
    assert not isinstance(planned, str)
    assert not isinstance(found, str)
    announced = {change for step in planned for change in step.changes}
    for context in found.contexts:
        changed = differences(meaning(root, context, found.project), meaning(result, context))
        assert {key for key in changed if key[0] not in ("mailhog", "mailpit")} <= announced


@pytest.mark.parametrize("folder", V1)
def test_data_and_versions_are_carried_over(folder: str, place: Place) -> None:
    project = read(place(folder))
    before, after = project.texts[COMPOSE], upgrade(project).texts[COMPOSE]
    for pattern in (
        r"image: .*postgres.*",
        r"image: .*(?:hasura|minio|redis|nhost).*",
        r"user: .*",
    ):
        wanted = [line for line in re.findall(pattern, before) if "${" not in line]
        assert re.findall(pattern, after)[: len(wanted)] == wanted or set(wanted) <= set(
            re.findall(pattern, after)
        )
    assert after.count(":/var/lib/postgresql/data") == before.count(":/var/lib/postgresql/data")
    assert "PGDATA:" not in after


@pytest.mark.parametrize("folder", V1)
def test_the_result_passes_the_schema(folder: str, place: Place) -> None:
    schema, spec = (
        json.loads((CLONE / "schemas" / name).read_text())
        for name in ("compose-v2.json", "compose-spec.json")
    )
    assert violations(upgrade(read(place(folder))).texts[COMPOSE], schema, spec) == []


@pytest.mark.parametrize("folder", V1)
def test_upgrading_twice_is_upgrading_once(folder: str, place: Place) -> None:
    once = upgrade(read(place(folder)))
    assert upgrade(once) == once


def test_every_other_project_is_left_alone() -> None:
    seen = set()
    for path in sorted(CORPUS.rglob("docker-compose.yml")):
        folder = str(path.parent.relative_to(CORPUS))
        project = read(path.parent)
        if folder in V1:
            continue
        findings = list(compose.detect(project))
        statuses = {finding.status for finding in findings if finding.path == COMPOSE}
        assert statuses == ({"ok"} if folder in V2 else {"keep"}), folder
        assert (findings[0].rule == "compose-by-hand") == (folder in BY_HAND), folder
        assert manual(findings) == MANUAL.get(folder, []), folder
        assert upgrade(project) == project
        seen.add(folder)
    assert seen >= V2 | BY_HAND


def test_the_volumes_of_a_project_with_two_names_are_those_that_v1_used() -> None:
    project = read(CORPUS / "acamarata-nself-family@v1" / "backend")
    after = upgrade(project).texts[COMPOSE]
    assert "name: nself-family_postgres_data" in after
    assert "\nname: nself-family\n" in after
