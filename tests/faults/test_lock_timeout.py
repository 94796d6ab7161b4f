"""A table that somebody reads is altered without keeping its readers out."""

from __future__ import annotations

import threading
import time

import psycopg
from onlooker import WAITS_FOR_LOCK, Onlooker
from servers_for_tests import Nself, Project, within

LOCK_TIMEOUT = 5.0
TOLERANCE = 1.5


class Readers:
    """Somebody who reads a table all the time, and how long each look took."""

    def __init__(self, url: str) -> None:
        self.seconds: list[float] = []
        self._url, self._stop = url, threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Readers:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _read(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.wait(0.02):
                began = time.monotonic()
                connection.execute("SELECT count(*) FROM busy")
                self.seconds.append(time.monotonic() - began)


def test_readers_behind_a_waiting_migration_are_kept_out_for_one_lock_timeout_at_most(
    project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    onlooker.rows("CREATE TABLE busy (id integer)")
    project.migration("1", "alters", "ALTER TABLE busy ADD COLUMN note text;")
    with onlooker.locked("busy", "ACCESS SHARE") as blocker, Readers(onlooker.url) as readers:
        run = nself.start("run", "--skip-backup")
        onlooker.until(run, WAITS_FOR_LOCK)
        kept_out = within(10, lambda: max(readers.seconds, default=0) > 1)
        free_again = len(readers.seconds)
        assert kept_out
        assert within(10, lambda: len(readers.seconds) > free_again)
        # the second attempt waits as the first did
        onlooker.until(run, WAITS_FOR_LOCK)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert "1: a lock was not free within 5 s, attempt 1 of 8" in err
    assert f"backend {blocker}," in err
    assert max(readers.seconds) < LOCK_TIMEOUT + TOLERANCE
    assert onlooker.history() == [("1", "applied")]
