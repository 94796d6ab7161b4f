"""The migrations of the example projects on a real server: up, down one by one, up."""

from __future__ import annotations

import shutil
from pathlib import Path

import catalogs
import pytest
from servers_for_tests import Nself

from nself_tasks.database.servers.binaries import Installation

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("name", ["bookshop", "lending-library"])
def test_every_down_gives_back_the_catalog_from_before_its_up(
    name: str, nself: Nself, database: str, tools: Installation
) -> None:
    shutil.rmtree(nself.root)
    shutil.copytree(EXAMPLES / name, nself.root, ignore=shutil.ignore_patterns(".nself"))
    ups = catalogs.ups(nself.root / "backend" / "migrations")
    versions = [up.path.name.split("_")[0] for up in ups]
    after = [catalogs.catalog(database, tools)]
    for version in versions:
        done = nself("run", "--schema-only", "--skip-backup", "--to", version)
        assert done.code == 0, done.err
        after.append(catalogs.catalog(database, tools))
    for number, version in reversed(list(enumerate(versions))):
        done = nself("rollback", "--skip-backup")
        assert done.code == 0, done.err
        assert f"migrate:revert:{version}" in done.err
        assert catalogs.catalog(database, tools) == after[number], f"after the down of {version}"
    done = nself("run", "--schema-only", "--skip-backup")
    assert done.code == 0, done.err
    assert catalogs.catalog(database, tools) == after[-1]
    # Only the seeded rows change no catalog.
    assert len(set(after)) == len(versions)
