"""The one connection of a run: its resets, its notices, its lock, its second opening."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nself_tasks.database import connection as connecting
from nself_tasks.database import indexes, lock, pooler, turn
from nself_tasks.schema_history import ServerFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.errors import Diagnostic

    from nself_tasks.database.connection import Conn
    from nself_tasks.model import Statement

RESET_IDENTITY = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; "
"""Back to the user and the settings that we connected with; keeps the advisory lock, which
DISCARD ALL would drop."""

RESET_SESSION = (
    "CLOSE ALL; UNLISTEN *; DEALLOCATE ALL; DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP; "
)
"""The rest of DISCARD ALL, so that no migration sees what an earlier one left in the session."""

Notice = Callable[[str, str], None]
"""Takes a level (`note`, `warning`) and a text."""


class Session:
    """A connection to the target for one run, with the migration lock that belongs to it."""

    def __init__(
        self, url: str, *, run_id: str, notice: Notice, undecided: str | None = None
    ) -> None:
        self.url = url
        self.undecided = undecided
        """`rerun` or `done`: what a person decided where the catalog cannot tell."""
        self.secrets: tuple[str, ...] = ()  # no error may show them
        self.run_id = run_id
        self.notice = notice
        self.application = connecting.application_name(run_id)
        self._connection: Conn | None = None
        self._facts: ServerFacts | None = None
        self._backend: tuple[int, Any] = (0, None)
        self.locked = False
        self.in_batch = False
        """True inside the one transaction of `--atomic`."""
        self.ended_broken = False
        """Whether the connection was lost, and not opened again, when the session was closed."""
        self._listening = False
        self.on_transaction: Callable[[int], None] = lambda xid: None
        """Told the id of each transaction that begins."""

    @property
    def connection(self) -> Conn:
        """The open connection; opened at first use. Raises ConnectionFailed."""
        return self._connection or self._open(within=0)

    def _open(self, *, within: float) -> Conn:
        opened = connecting.connect_within(within, self.url, application=self.application)
        self._connection = opened
        opened.add_notice_handler(self._heard)
        row = opened.execute(
            "SELECT pid, backend_start FROM pg_catalog.pg_stat_activity"
            " WHERE pid = pg_catalog.pg_backend_pid()"
        ).fetchone()
        # Kept for the question "is our old backend gone?" after a lost connection.
        self._backend = (row[0], row[1]) if row else (0, None)
        return opened

    @property
    def facts(self) -> ServerFacts:
        """What the server said about itself when the run began."""
        if self._facts is None:
            self._facts = connecting.facts(self.connection)
        return self._facts

    @property
    def backend(self) -> tuple[int, Any]:
        """Process id and start time of our backend, which together never name another one."""
        return self._backend

    @property
    def broken(self) -> bool:
        """Whether the connection is lost."""
        return self._connection is not None and bool(
            self._connection.closed or self._connection.broken
        )

    @property
    def _pooled(self) -> bool:
        """Whether a pooler answered the start of the connection, not the server."""
        return self._backend[0] != self.connection.info.backend_pid

    def reset_sql(self) -> str:
        """Give the SQL that undoes whatever a migration did to the session, lock excepted."""
        version = self.connection.info.server_version
        sql = RESET_IDENTITY + connecting.own_settings(version)
        if self._pooled:
            # RESET ALL goes back to the name that the pooler began the session with.
            name = self.application.replace("'", "''")
            sql += f"SET application_name = '{name}'; "
        return sql

    def clean_sql(self) -> str:
        """Give the SQL for a session like new, lock excepted."""
        return self.reset_sql() + RESET_SESSION

    def run_sql(self, sql: str) -> list[list[tuple[Any, ...]]]:
        """Run several statements in one round trip; gives the rows of those that return rows."""
        cursor = self.connection.execute(sql)
        found = []
        while True:
            if cursor.description is not None:
                found.append(cursor.fetchall())
            if not cursor.nextset():
                return found

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Pass the server's notices on while a migration's own statements run."""
        self._listening = True
        try:
            yield
        finally:
            self._listening = False

    def check_index(self, statement: Statement) -> None:
        """Raise MigrationFailed when IF NOT EXISTS was satisfied by an invalid index."""
        if "exists" in statement.text[:200].lower():
            indexes.require_valid(self.connection, statement.text)

    def acquire_lock(self, *, wait: float) -> bool:
        """Take the migration lock; gives whether somebody else had it in between.

        Raises LockNotAcquired; GuardError where the database was replaced meanwhile.
        """
        waited = turn.take(self, wait=wait)
        self.locked = True
        return waited

    def verify_lock(self) -> None:
        """Raise LockNotAcquired when a migration's statement released our lock and we lost it."""
        if not lock.held(self.connection):
            self.locked = False
            lock.reacquire(self.connection)
            self.locked = True

    def reopen(self, *, wait: float) -> None:
        """Connect again after a lost connection, and take the lock again if we had it.

        `wait` is for the lock. Raises ConnectionFailed, LockNotAcquired, GuardError.
        """
        had = self.locked
        self.close()
        self._open(within=connecting.RECONNECT_SECONDS)
        if had:
            turn.require_same(self, self.facts, database=None)
            self.acquire_lock(wait=wait)

    def revive(self, *, wait: float) -> None:
        """Connect again where the connection was lost while nothing was asked of it."""
        import psycopg

        try:
            self.connection.execute("SELECT 1")
        except psycopg.OperationalError:
            if not self.broken:
                raise
            self.reopen(wait=wait)

    def rollback(self) -> None:
        """Roll back whatever transaction is open; a lost connection has done so by itself."""
        if self._connection is None or self.broken:
            return
        from psycopg import pq

        if self._connection.info.transaction_status != pq.TransactionStatus.IDLE:
            self._connection.execute("ROLLBACK")
        self.in_batch = False

    def close(self) -> None:
        """Close the connection; the server drops the lock with it."""
        if self._connection is not None:
            self.ended_broken = self.broken
            if self._pooled and not self.broken:
                pooler.leave(self._connection)
            self._connection.close()
        self._connection, self.locked, self.in_batch = None, False, False

    def _heard(self, diagnostic: Diagnostic) -> None:
        if not self._listening:
            return
        level = "warning" if diagnostic.severity_nonlocalized == "WARNING" else "note"
        self.notice(level, f"server {diagnostic.severity}: {diagnostic.message_primary}")
