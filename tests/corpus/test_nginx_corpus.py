"""nginx's files and the leftovers of real projects: what is v1 in them, and what is left after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import projects
import pytest
from trees_for_tests import found, kind, read, upgrade

pytestmark = [pytest.mark.corpus, pytest.mark.usefixtures("corpus")]

CORPUS = projects.CORPUS
KINDS = [kind("compose"), kind("nginx"), kind("leftovers")]
LOOKED_AT = KINDS[1:]
V1 = {
    "_generated/nself-0.1.0-simple": (6, ["flat-nginx"], []),
    "_generated/nself-v0.2.4-simple": (7, ["flat-nginx"], [".nself/last-build.env"]),
    "_generated/nself-v0.4.0-simple": (4, [], []),
    "_generated/nself-v0.4.4-demo": (16, [], []),
    "_generated/nself-v0.4.8-simple": (4, ["build-version"], []),
    "_generated/nself-v0.9.5-demo": (16, ["build-version"], []),
    "_generated/nself-v0.9.9-core": (
        5,
        ["build-version", "env-computed"],
        [".nself/cache/build-manifest.txt"],
    ),
    "_generated/nself-v0.9.9-demo": (
        17,
        ["build-version", "env-computed"],
        [".nself/cache/build-manifest.txt", "_backup"],
    ),
    "acamarata-nself-app@v1/backend": (6, [], []),
    "acamarata-nself-family@v1/backend": (5, [], []),
    "nself-org-task@v1-1c7af61/backend": (6, [], []),
    "nself-org-chat@trap-4b0bcd8/backend": (9, ["build-version"], []),
}
"""Files of nginx that are v1's; the leftovers that are v1's; what is reported and stays."""
V2 = "nself-org-task@v2-760dadb/backend"
SMALL = {"flat-nginx", "build-version", "env-computed", "env-runtime", "config-file"}


@pytest.mark.parametrize("folder", V1)
def test_a_v1_project_is_found_with_what_it_has(folder: str, place: Callable[[str], Path]) -> None:
    rows = found(read(place(folder), KINDS), LOOKED_AT)
    count, small, kept = V1[folder]
    v1 = [row for row in rows if row.is_v1]
    paths = {row.path for row in v1 if row.rule not in SMALL}
    assert len(paths) == count - ("flat-nginx" in small)
    assert sorted(row.rule for row in v1 if row.rule in SMALL) == small
    assert [str(row.path) for row in rows if row.status == "keep"] == kept
    assert {row.status for row in v1} == {"migrate"}


@pytest.mark.parametrize("folder", V1)
def test_after_the_upgrade_nothing_is_v1_and_a_second_one_changes_nothing(
    folder: str, place: Callable[[str], Path]
) -> None:
    once = upgrade(read(place(folder), KINDS), KINDS)
    rows = found(once, LOOKED_AT)
    assert [row for row in rows if row.is_v1 or row.changes] == []
    assert Counter(row.status for row in rows)["keep"] == len(V1[folder][2])
    assert upgrade(once, KINDS) == once


def test_every_other_project_has_nothing_to_migrate() -> None:
    folders = {path.parent for path in CORPUS.rglob("docker-compose*.yml")}
    folders |= {path.parent for path in CORPUS.rglob("nginx") if path.is_dir()}
    for folder in sorted(folders):
        name = str(folder.relative_to(CORPUS))
        if name in V1:
            continue
        project = read(folder, KINDS)
        rows = found(project, LOOKED_AT)
        assert not [row for row in rows if row.is_v1 or row.changes], name
        if name == V2:
            assert Counter(row.status for row in rows) == {"ok": 6}
