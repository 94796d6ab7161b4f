"""What fails or dies in the middle, and what the next run makes of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess

import pytest
from onlooker import ASKS_FOR_RUNNER_LOCK, WAITS_FOR_LOCK, Onlooker, died_by_sigkill
from servers_for_tests import Nself, Project, ScratchServer
from sql_for_tests import rows, tables
from wire import Wire

RUN = ("run", "--skip-backup")
LEDGER = "CREATE TABLE ledger (entry text NOT NULL);"
GATED = "INSERT INTO ledger VALUES ('once');\nALTER TABLE gate ADD COLUMN passed boolean;\n"


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and all that a command said."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


@pytest.fixture
def gated(project: Project, onlooker: Onlooker) -> None:
    """A migration that adds to `ledger` and then needs the table `gate`, and one after it."""
    onlooker.rows(LEDGER)
    onlooker.rows("CREATE TABLE gate (id integer)")
    project.migration("1", "gated", GATED)
    project.migration("2", "after", "INSERT INTO ledger VALUES ('after');")


def done_once(onlooker: Onlooker) -> bool:
    """Whether both migrations of `gated` were done, and neither twice."""
    entries = onlooker.rows("SELECT entry FROM ledger ORDER BY 1")
    return onlooker.history() == [("1", "applied"), ("2", "applied")] and entries == [
        ("after",),
        ("once",),
    ]


def test_s01_the_second_statement_fails(project: Project, nself: Nself, database: str) -> None:
    """The second statement of a migration fails; the file is mended and run again.

    The failed migration leaves no trace, the one before it stays; the next run does the rest.
    """
    project.migration("1", "good", "CREATE TABLE good (id integer);")
    bad = project.migration("2", "two", "CREATE TABLE one (id integer);\nSELECT no_such_thing();")
    failed = nself(*RUN, "--json")
    assert (failed.code, failed.json()["database"]) == (1, "advanced")
    assert f"{bad.name}:2:8: function no_such_thing() does not exist" in failed.out
    assert tables(database) == ["good"]
    bad.write_text("CREATE TABLE one (id integer);\nCREATE TABLE two (id integer);")
    assert nself(*RUN).code == 0
    assert tables(database) == ["good", "one", "two"]


def test_s04_a_file_outside_a_transaction_fails_at_its_second_statement(
    project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    """A `no-transaction` file fails at its second statement; it is mended and run again.

    The run says `partial`; the next one resumes at the second statement, the first is not repeated.
    """
    onlooker.rows(LEDGER)
    text = "-- nself: no-transaction\nINSERT INTO ledger VALUES ('once');\nVACUUM {};\n"
    path = project.migration("1", "two", text.format("no_such_table"))
    failed = nself(*RUN, "--json")
    assert (failed.code, failed.json()["database"]) == (1, "partial")
    path.write_text(text.format("ledger"))
    resumed = nself(*RUN)
    assert (resumed.code, "resumes after statement 1" in resumed.err) == (0, True), resumed.err
    assert onlooker.rows("SELECT entry FROM ledger") == [("once",)]
    assert onlooker.history() == [("1", "applied")]


@pytest.mark.usefixtures("gated")
def test_s13_killed_and_its_backend_gone(nself: Nself, onlooker: Onlooker) -> None:
    """`kill -9` in the middle of a migration; when its backend is gone, run again.

    Nothing of the migration is there; the next run does it from its start, once.
    """
    with onlooker.locked("gate"):
        first = nself.start(*RUN)
        backend = onlooker.until(first, WAITS_FOR_LOCK)
        assert died_by_sigkill(first)
        onlooker.until_gone(backend)
    assert onlooker.rows("SELECT entry FROM ledger") == []
    assert nself(*RUN).code == 0
    assert done_once(onlooker)


@pytest.mark.usefixtures("gated")
def test_s14_killed_and_its_backend_alive(
    nself: Nself, onlooker: Onlooker, server: ScratchServer
) -> None:
    """`kill -9` in the middle of a migration; run again while its backend is still at work.

    The next run names the orphan that holds the lock, waits for its end, then does the work once.
    """
    if server.kind not in ("embedded", "local"):
        pytest.skip("the server's processes are on another machine")
    with onlooker.locked("gate"):
        first = nself.start(*RUN)
        orphan = onlooker.until(first, WAITS_FOR_LOCK)
        os.kill(orphan, signal.SIGSTOP)
        try:
            assert died_by_sigkill(first)
            second = nself.start(*RUN)
            onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
        finally:
            os.kill(orphan, signal.SIGCONT)
        onlooker.until_gone(orphan)
    code, said = ended(second)
    assert (code, f"held by backend {orphan}" in said) == (0, True), said
    assert done_once(onlooker)


@pytest.mark.usefixtures("gated")
def test_s15_the_server_drops_the_connection(nself: Nself, onlooker: Onlooker) -> None:
    """The server ends the connection in the middle of a migration; run again.

    The run asks what committed and says so; nothing of the migration stays; the next run does it.
    """
    with onlooker.locked("gate"):
        first = nself.start(*RUN)
        onlooker.rows("SELECT pg_terminate_backend(%s)", onlooker.until(first, WAITS_FOR_LOCK))
        code, said = ended(first)
    assert code == 1
    assert "its transaction did not commit" in said
    assert "The database is unchanged" in said or "The database is as it was" in said
    assert onlooker.rows("SELECT entry FROM ledger") == []
    assert nself(*RUN).code == 0
    assert done_once(onlooker)


def test_s23_an_own_commit_and_then_a_failure(
    project: Project, nself: Nself, database: str
) -> None:
    """A file commits by itself and fails afterwards.

    Such a file is refused with its line before the first migration runs: no half can be left over.
    """
    project.migration("1", "good", "CREATE TABLE good (id integer);")
    up = "CREATE TABLE half (id integer);\nCOMMIT;\nSELECT no_such_thing();\n"
    path = project.migration("2", "commits", up)
    refused = nself(*RUN, "--json")
    (problem,) = refused.json()["error"]["problems"]
    assert (refused.code, refused.json()["database"]) == (1, "unchanged")
    assert (problem["path"], problem["line"]) == (f"backend/migrations/{path.name}", 2)
    assert tables(database) == []


HIDDEN = {
    "in a DO block": "DO $$ BEGIN INSERT INTO ledger VALUES ('half'); COMMIT; END $$;",
    "in a procedure": "CREATE PROCEDURE commits() LANGUAGE plpgsql AS"
    " $$ BEGIN INSERT INTO ledger VALUES ('half'); COMMIT; END $$;\nCALL commits();",
}


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN.keys())
def test_s23_a_commit_that_no_reader_of_the_file_can_see(
    hidden: str, project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    onlooker.rows(LEDGER)
    project.migration("1", "hidden", f"{hidden}\nSELECT no_such_thing();\n")
    failed = nself(*RUN, "--json")
    assert (failed.code, failed.json()["database"]) == (1, "unchanged")
    assert failed.json()["error"]["facts"]["sqlstate"] == "2D000"
    assert (onlooker.rows("SELECT entry FROM ledger"), onlooker.history()) == ([], [])


def test_s26_the_server_is_down(project: Project, nself: Nself, wire: Wire, database: str) -> None:
    """Nobody listens where the database should be; then the server is back.

    Exit code 1, address and reason in one sentence, no password; the same command does it later.
    """
    project.migration("1", "t", "CREATE TABLE t (id integer);")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    down = nself(*RUN, "--database-url", f"postgresql://me:hidden@127.0.0.1:{port}/demo", "--json")
    assert (down.code, down.json()["error"]["database"]) == (1, "unchanged")
    assert "no server answers there" in down.json()["error"]["message"]
    assert "hidden" not in down.out + down.err
    assert nself(*RUN).code == 0
    assert rows(database, "SELECT version FROM public._nself_migrations") == ["1"]
