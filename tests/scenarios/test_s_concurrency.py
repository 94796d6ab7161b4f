"""Two runners, and readers behind one."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from onlooker import ASKS_FOR_RUNNER_LOCK, WAITS_FOR_LOCK, Onlooker
from servers_for_tests import Nself, Project, within
from sql_for_tests import indexes
from wire import Wire

RUN = ("run", "--skip-backup")
INDEX = "CREATE INDEX CONCURRENTLY gate_id ON gate (id);"
IDLE = "state = 'idle'"
BUILDS = f"{WAITS_FOR_LOCK} AND query LIKE 'CREATE INDEX CONCURRENTLY%'"


def both_end(*processes: subprocess.Popen[str]) -> str:
    """Wait for runners that both have to end well; gives what they said."""
    said = ["".join(process.communicate(timeout=60)) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    return "\n".join(said)


def done_once(onlooker: Onlooker, *versions: str) -> bool:
    """Whether these migrations are applied, and the first one's row is there once."""
    applied = [(version, "applied") for version in versions]
    return onlooker.history() == applied and onlooker.rows("SELECT * FROM ledger") == [("once",)]


@pytest.fixture
def gated(project: Project, onlooker: Onlooker) -> None:
    """A first migration that adds a row to `ledger`, then needs the table `gate`."""
    onlooker.rows("CREATE TABLE ledger (entry text NOT NULL)")
    onlooker.rows("CREATE TABLE gate (id integer)")
    gated = "INSERT INTO ledger VALUES ('once');\nALTER TABLE gate ADD COLUMN note text;\n"
    project.migration("1", "gated", gated)


@pytest.mark.usefixtures("gated")
def test_s11_two_runners_on_a_fresh_database(nself: Nself, wire: Wire, onlooker: Onlooker) -> None:
    """Two runners start at once on a database without a history.

    One creates the history and does the work, the other waits and then finds nothing to do.
    """
    creates = wire.before("CREATE TABLE public._nself_migrations")
    first = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
    creates.wait()
    second = nself.start(*RUN)
    onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
    creates.go_on()
    said = both_end(first, second)
    assert done_once(onlooker, "1")
    assert "nothing to do" in said
    assert "duplicate key" not in said


@pytest.mark.usefixtures("gated")
def test_s12_two_runners_and_an_index_built_concurrently(
    project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    """A second runner comes while the first builds an index `CONCURRENTLY`.

    It waits without a snapshot that the build would have to wait for; the index is built once.
    """
    project.migration("2", "index", INDEX)
    assert nself(*RUN, "--to", "1").code == 0
    with onlooker.locked("gate"):
        first = nself.start(*RUN)
        onlooker.until(first, BUILDS)
        second = nself.start(*RUN)
        onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
    both_end(first, second)
    assert done_once(onlooker, "1", "2")
    assert indexes(onlooker.url) == {"gate_id": True}


@pytest.mark.usefixtures("gated")
def test_s29_the_second_runner_waits_before_the_index_build_begins(
    project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    """A second runner waits already when the first begins to build an index `CONCURRENTLY`.

    No deadlock and no invalid index: waiting is asking again and again, and holds nothing.
    """
    project.migration("2", "index", INDEX)
    with onlooker.locked("gate"):
        first = nself.start(*RUN)
        onlooker.until(first, WAITS_FOR_LOCK)
        second = nself.start(*RUN)
        onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
    both_end(first, second)
    assert done_once(onlooker, "1", "2")
    assert indexes(onlooker.url) == {"gate_id": True}


# --- readers ----------------------------------------------------------------------------------

LOCK_TIMEOUT = 5.0
MARGIN = 1.5
READERS = 3


class Reader:
    """Somebody who reads a table all the time; how long each look took, and the one now."""

    def __init__(self, url: str, stop: threading.Event) -> None:
        self._url, self._stop, self.seconds = url, stop, [0.0]
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.wait(0.02):
                began = time.monotonic()
                connection.execute("SELECT count(*) FROM busy")
                self.seconds.append(time.monotonic() - began)


@contextmanager
def readers(url: str) -> Iterator[list[Reader]]:
    """A stream of readers, each with a session of its own; all have ended at the end."""
    stop = threading.Event()
    stream = [Reader(url, stop) for _ in range(READERS)]
    try:
        yield stream
    finally:
        stop.set()
        for reader in stream:
            reader.thread.join(60)


def test_s24_a_reader_holds_the_table(project: Project, nself: Nself, onlooker: Onlooker) -> None:
    """A long read holds the table that a migration alters; other readers come behind it.

    The `ALTER` gives up after the lock timeout of 5 s, lets the readers through, says who blocks,
    and tries again: no reader waits for longer than that at a time.
    """
    onlooker.rows("CREATE TABLE busy (id integer)")
    project.migration("1", "alters", "ALTER TABLE busy ADD COLUMN note text;")
    with readers(onlooker.url) as stream:
        with onlooker.locked("busy", "ACCESS SHARE") as blocker:
            run = nself.start(*RUN)
            for _ in range(2):
                onlooker.until(run, WAITS_FOR_LOCK)
                onlooker.until(run, IDLE)
                assert all_read_on(stream)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 0, out + err
    assert "1: a lock was not free within 5 s, attempt 2 of 8" in err
    assert f"backend {blocker}," in err
    longest = max(max(reader.seconds) for reader in stream)
    assert LOCK_TIMEOUT - MARGIN < longest < LOCK_TIMEOUT + MARGIN
    assert onlooker.history() == [("1", "applied")]


def all_read_on(stream: list[Reader]) -> bool:
    """Whether every reader ends a look now, while the migration pauses."""
    seen = [len(reader.seconds) for reader in stream]
    return within(
        MARGIN, lambda: all(len(r.seconds) > count for r, count in zip(stream, seen, strict=True))
    )
