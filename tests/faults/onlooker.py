"""What a test sees of a database from outside, and the locks with which it stops a migration."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from servers_for_tests import within

LONGEST_WAIT = 30.0

WAITS_FOR_LOCK = "state = 'active' AND wait_event_type = 'Lock'"
ASKS_FOR_RUNNER_LOCK = "query LIKE '%pg_try_advisory_lock%'"

_OF_PROCESS = "datname = current_database() AND application_name LIKE 'nself-migrate %:{}'"


class Onlooker:
    """A second connection to the database of a test."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement in a connection of its own; gives its rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def backend(self, process: subprocess.Popen[str], so: str = "true") -> int | None:
        """The backend of a running command, if it is as `so` says of its pg_stat_activity row."""
        whose = _OF_PROCESS.format(process.pid)
        found = self.rows(f"SELECT pid FROM pg_stat_activity WHERE {whose} AND {so}")
        return found[0][0] if found else None

    def until(self, process: subprocess.Popen[str], so: str) -> int:
        """Wait for such a backend of a command that lives; gives its process id."""
        seen: list[int] = []

        def is_so() -> bool:
            assert process.poll() is None, f"it ended: {process.communicate()}"
            seen.extend(pid for pid in [self.backend(process, so)] if pid)
            return bool(seen)

        assert within(LONGEST_WAIT, is_so), f"never: {so}"
        return seen[0]

    def until_any(self, so: str) -> int:
        """Wait for any backend on this database that is so; gives its process id."""
        query = f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND {so}"
        assert within(LONGEST_WAIT, lambda: bool(self.rows(query))), f"never: {so}"
        return int(self.rows(query)[0][0])

    def until_gone(self, backend: int) -> None:
        """Wait until a backend is no more."""
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
        assert within(LONGEST_WAIT, lambda: not self.rows(query, backend)), "the backend lives on"

    def history(self) -> list[tuple[str, str]]:
        """Version and state of every row of the history, rolled-back ones too."""
        if not self.rows("SELECT 1 WHERE to_regclass('public._nself_migrations') IS NOT NULL"):
            return []
        return self.rows("SELECT version, state FROM public._nself_migrations ORDER BY id")

    def begun(self) -> bool:
        """Whether a statement of a migration that is not finished has run, or has begun to.

        Without one its row alone says nothing: the migration counts as pending.
        """
        return bool(self.history()) and bool(
            self.rows(
                "SELECT 1 FROM public._nself_migration_progress AS p"
                " JOIN public._nself_migrations AS m"
                " ON m.id = p.migration_id AND p.direction = m.direction WHERE m.state = 'partial'"
            )
        )

    def runners(self) -> list[int]:
        """The backends that hold an advisory lock on this database for themselves alone."""
        found = self.rows(
            "SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND mode = 'ExclusiveLock'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return [pid for (pid,) in found]

    @contextmanager
    def locked(self, table: str, mode: str = "ROW EXCLUSIVE") -> Iterator[int]:
        """Hold a lock on a table; yields the backend that holds it."""
        with psycopg.connect(self.url) as connection:
            connection.execute(f"LOCK TABLE {table} IN {mode} MODE")
            yield connection.info.backend_pid
            connection.rollback()


def died_by_sigkill(process: subprocess.Popen[str]) -> bool:
    """Kill a command that lives, as `kill -9` does; whether it was that what ended it."""
    assert process.poll() is None, f"it ended before it was killed: {process.communicate()}"
    process.kill()
    process.communicate()
    return process.returncode == -9
