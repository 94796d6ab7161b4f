"""Two projects that name one database: the first one there keeps it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers_for_tests as servers
from onlooker import ASKS_FOR_RUNNER_LOCK, Onlooker
from servers_for_tests import Nself, Project, Result
from wire import Wire

RUN = ("run", "--skip-backup", "--json")


@pytest.fixture
def other(tmp_path: Path, database: str) -> Iterator[Nself]:
    """The command in another project, with a migration of the same version."""
    made = servers.new_project(tmp_path / "other")
    made.write(".env", "PROJECT_NAME=other\n")
    made.migration("1", "theirs", "CREATE TABLE theirs (id integer);")
    command = Nself(made.root, {"DATABASE_URL": database})
    yield command
    command.close()


@pytest.fixture(autouse=True)
def ours(project: Project) -> None:
    project.migration("1", "ours", "CREATE TABLE ours (id integer);")


def ended(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


def test_at_once_on_a_fresh_database_the_second_is_refused_by_the_name_of_the_first(
    nself: Nself, other: Nself, wire: Wire, onlooker: Onlooker
) -> None:
    creates = wire.before("CREATE TABLE public._nself_migrations")
    first = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
    creates.wait()
    second = other.start(*RUN)
    onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
    creates.go_on()
    refused = ended(second)
    assert (ended(first).code, refused.code) == (0, 1)
    error = refused.json()["error"]
    assert error["code"] in ("guard", "history")
    assert refused.json()["database"] == "unchanged"
    assert onlooker.rows("SELECT to_regclass('theirs')") == [(None,)]
    assert onlooker.history() == [("1", "applied")]


def test_one_after_the_other_neither_sees_a_trace_of_the_refused_one(
    nself: Nself, other: Nself, onlooker: Onlooker
) -> None:
    assert nself(*RUN).code == 0
    refused = other(*RUN)
    assert refused.code == 1
    assert "this database belongs to the project `demo`" in refused.json()["error"]["message"]
    assert other("rollback", "--skip-backup").code == 1
    assert onlooker.history() == [("1", "applied")]
    assert nself(*RUN).json()["applied"] == []
