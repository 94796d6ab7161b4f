"""Backups are looked at again before they go, by a run that others or a crash have disturbed."""

from __future__ import annotations

import json

import pytest
from onlooker import WAITS_FOR_LOCK, Onlooker
from servers_for_tests import Nself, Project
from test_retention import OLD, dumps, folder, ids


def test_where_the_newer_ones_are_gone_by_then_the_older_one_stays(
    project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    project.migration("1", "a", "CREATE TABLE a (x int);")
    first = nself("run", "--json").json()["backup"]
    project.migration("2", "b", "LOCK TABLE a; CREATE TABLE b (x int);")
    with onlooker.locked("a"):
        run = nself.start("run", "--json", environment={"NSELF_BACKUP_KEEP": "1"})
        onlooker.until(run, WAITS_FOR_LOCK)
        [new] = set(ids(project)) - {first}
        (folder(project) / new / "database.dump").unlink()
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, out
    assert (first in ids(project), f"the backup {first} stays" in err) == (True, True)


@pytest.mark.usefixtures("nobody_else_writes")
def test_a_resume_that_takes_no_backup_deletes_none_for_it(project: Project, nself: Nself) -> None:
    project.migration("1", "a", "CREATE TABLE a (x int);")
    first = nself("run", "--json").json()["backup"]
    about = json.loads((folder(project) / first / "manifest.json").read_text())
    dumps(project, OLD[:1], about["database"]["identity"])
    project.migration("2", "b", "SELECT 1 / 0;")
    keep = {"NSELF_BACKUP_KEEP": "3"}
    assert nself("run", environment=keep).code == 1
    before = ids(project)
    project.migration("2", "b", "SELECT 1;")
    assert nself("run", environment=keep).code == 0
    assert (len(before), ids(project)) == (3, before)
