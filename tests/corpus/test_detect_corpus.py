"""What `detect` says about every real project: each has what it really has, nobody else anything.

The table was written down after a look at the files. What decides in them:

`prefix`   0.1 to 0.3: no header at all, literal container names, certificates in `nginx/ssl`
`header`   0.4 to 0.9: the header of the v1 generator
`trap`     the v2 header, edited in by hand, over a body of the v1 generator
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import projects
import pytest
from trees_for_tests import upgrade

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.env import STATE
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.evidence import artifact_evidence, artifact_findings, project_era

pytestmark = [pytest.mark.corpus, pytest.mark.usefixtures("corpus")]


@dataclass(frozen=True)
class Row:
    """What a project has: how its compose file is known, the kinds to migrate, what stays."""

    compose: str
    migrate: str
    manual: str = ""
    """Rules of what a person has to decide."""
    kept: str = ""
    """Rules of what is reported and left alone."""
    sites: int = 0
    """Files of nginx that are v1."""


OVERRIDE, BY_NAME, LEAK = "compose-override", "compose-by-name", "env-dev-leak"
PROCESS = "env-process"
PINS = "compose-pins"
"""There is no env file in the clone to write the versions in use to."""
V1 = {
    "_generated/nself-0.1.0-simple": Row("compose-prefix", "compose env nginx", sites=5),
    "_generated/nself-v0.2.4-simple": Row(
        "compose-prefix", "compose env nginx", kept="v1-state", sites=6
    ),
    "_generated/nself-v0.4.0-simple": Row(
        "compose-header", "compose env nginx", kept=PINS, sites=4
    ),
    # Its staging and prod have their passwords from the process.
    "_generated/nself-v0.4.4-demo": Row(
        "compose-header", "compose env nginx", LEAK, PROCESS, sites=16
    ),
    "_generated/nself-v0.4.8-simple": Row(
        "compose-header", "compose env leftovers nginx", kept=PINS, sites=4
    ),
    "_generated/nself-v0.9.5-demo": Row(
        "compose-header", "compose env leftovers nginx", LEAK, PROCESS, sites=16
    ),
    "_generated/nself-v0.9.9-core": Row(
        "compose-header", "compose env leftovers nginx", kept=f"{PINS} v1-state", sites=5
    ),
    "_generated/nself-v0.9.9-demo": Row(
        "compose-header",
        "compose env leftovers nginx",
        LEAK,
        f"{PROCESS} v1-backup v1-state",
        sites=17,
    ),
    "acamarata-nself-app@v1/backend": Row(
        "compose-header", "compose env nginx", OVERRIDE, f"{BY_NAME} {PINS}", sites=6
    ),
    # Its only env file is `.env.dev`, which v1 read in staging and prod as well.
    "acamarata-nself-family@v1/backend": Row("compose-header", "compose env nginx", LEAK, sites=5),
    "nself-org-task@v1-1c7af61/backend": Row(
        "compose-header", "compose env nginx", OVERRIDE, f"{BY_NAME} {PINS}", sites=6
    ),
    # It has no env file at all: nothing in it can be called by an old name.
    "nself-org-chat@trap-4b0bcd8/backend": Row(
        "compose-edited-header", "compose leftovers nginx", kept=PINS, sites=9
    ),
}
V2 = {
    # The override of v1's days still puts the old DATABASE_URL and JWT secret on top.
    "nself-org-task@v2-760dadb/backend": Row("compose-v2", "", OVERRIDE, f"{BY_NAME} env-template"),
}
TRAPS = [name for name in V1 if "@trap" in name]
EXCEPTIONS = (
    "nself-org-admin-ci/.github/ci",
    "nself-org-chat@trap-4b0bcd8/.github/deploy/docker",
)
"""The folders of compose files that say of themselves that nobody generates them."""


@pytest.fixture
def both(corpus: Path, other_names: Callable[[str], Path]) -> Callable[[str], tuple[Path, Path]]:
    """A project and its renamed copy."""
    return lambda name: (corpus / name, other_names(name))


def found(root: Path) -> tuple[Finding, ...]:
    return artifact_findings(projects.at(root))


def rules(findings: tuple[Finding, ...], status: str) -> str:
    return " ".join(sorted({finding.rule for finding in findings if finding.status == status}))


def deciding(findings: tuple[Finding, ...]) -> list[str]:
    return [f.rule for f in findings if f.decides_era and f.kind == "compose"]


def nameless(findings: tuple[Finding, ...]) -> list[tuple[str, str, str, int | None, str]]:
    """All that a finding says without the words, in which the project's names are."""
    return [(f.rule, f.kind, str(f.path), f.line, f.status) for f in findings]


def upgraded(project: Evidence) -> Evidence:
    """The project after `run`, with the record from which a later `detect` knows that it was v1."""
    after = upgrade(project, registry.kinds())
    return replace(after, texts={**after.texts, PurePosixPath(STATE): '{"era": "v1"}'})


def test_every_project_there_is_stands_in_the_table() -> None:
    assert {*V1, *V2} == {*projects.roots()} == {*projects.V1, *projects.V2}


@pytest.mark.parametrize("name", V1)
def test_a_v1_project_is_found_with_the_kinds_that_it_has(
    name: str, place: Callable[[str], Path]
) -> None:
    root, row = place(name), V1[name]
    findings = found(root)
    assert registry.era(findings) == project_era(projects.at(root)) == "v1"
    assert deciding(findings) == [row.compose]
    assert " ".join(sorted({f.kind for f in findings if f.status == "migrate"})) == row.migrate
    assert rules(findings, "manual") == row.manual
    assert rules(findings, "keep") == row.kept
    nginx = {f.path for f in findings if f.kind == "nginx" and f.is_v1}
    assert len(nginx - {PurePosixPath("nginx")}) == row.sites


@pytest.mark.parametrize("name", V2)
def test_a_v2_project_has_nothing_to_migrate(name: str, place: Callable[[str], Path]) -> None:
    root, row = place(name), V2[name]
    findings = found(root)
    assert registry.era(findings) == project_era(projects.at(root)) == "v2"
    assert rules(findings, "migrate") == ""
    assert deciding(findings) == [row.compose]
    assert rules(findings, "manual") == row.manual
    assert rules(findings, "keep") == row.kept
    assert rules(findings, "ok") == "compose-v2 nginx-v2"


def test_only_the_two_oldest_have_a_flat_nginx() -> None:
    flat = [name for name in V1 if "flat-nginx" in rules(found(projects.CORPUS / name), "migrate")]
    assert flat == ["_generated/nself-0.1.0-simple", "_generated/nself-v0.2.4-simple"]


def test_a_header_trap_is_there() -> None:
    assert TRAPS


@pytest.mark.parametrize("name", TRAPS)
def test_a_v2_header_over_a_v1_body_is_named_as_such(
    name: str, place: Callable[[str], Path]
) -> None:
    [said] = [f.message for f in found(place(name)) if f.rule == "compose-edited-header"]
    assert "v2 header over a v1 body" in said


def test_what_is_not_nselfs_has_nothing_to_migrate() -> None:
    folders = projects.foreign()
    assert len(folders) > 60
    for folder in folders:
        findings = found(folder)
        assert {f.status for f in findings} <= {"keep"}, folder
        assert project_era(projects.at(folder)) == "v2", folder


@pytest.mark.parametrize("folder", EXCEPTIONS)
def test_a_file_marked_as_an_exception_is_kept(folder: str) -> None:
    [only] = found(projects.CORPUS / folder)
    assert (only.rule, only.status) == ("compose-by-hand", "keep")


@pytest.mark.parametrize("name", [*V1, *V2])
def test_no_rule_hangs_on_a_name(name: str, both: Callable[[str], tuple[Path, Path]]) -> None:
    seen = [artifact_evidence(projects.at(root)) for root in both(name)]
    assert seen[0].texts != seen[1].texts
    one, other = (nameless(registry.detect(project)) for project in seen)
    assert one == other


@pytest.mark.parametrize("name", V1)
def test_the_upgrade_of_a_renamed_project_is_the_same_one(
    name: str, both: Callable[[str], tuple[Path, Path]]
) -> None:
    seen = [artifact_evidence(projects.at(root)) for root in both(name)]
    one, other = (registry.detect(upgraded(project)) for project in seen)
    assert [finding for finding in (*one, *other) if finding.changes] == []
    assert rules(other, "migrate") == ""
    assert rules(other, "manual") == V1[name].manual
    assert nameless(one) == nameless(other)
