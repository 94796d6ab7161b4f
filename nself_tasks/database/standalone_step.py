"""One statement of a migration that runs outside a transaction: intent, statement, done.

It starts in a clean session in which the earlier SETs of the file were replayed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nself_tasks.database import indexes, lock
from nself_tasks.database.statement import execute, failure
from nself_tasks.database.work import Work
from nself_tasks.errors import LockNotAcquired, MigrationFailed
from nself_tasks.migrations.script import statement_hash
from nself_tasks.migrations.targets import detached_partition
from nself_tasks.model import Category

if TYPE_CHECKING:
    import psycopg

    from nself_tasks.database.session import Session
    from nself_tasks.model import Statement


class Step:
    """One statement of such a migration."""

    def __init__(
        self, session: Session, work: Work, row_id: int, position: int, statement: Statement
    ) -> None:
        self.session = session
        self.work = work
        self.row_id = row_id
        self.position = position
        self.statement = statement

    def replay(self) -> tuple[str, ...]:
        """Give the SETs of the file that come before this statement."""
        earlier = self.work.script.statements[: self.position - 1]
        return tuple(s.text for s in earlier if s.category is Category.SESSION)

    def record(self, phase: str, facts: dict[str, Any]) -> None:
        """Write the progress row, in the transaction that is open or in its own."""
        self.session.connection.execute(
            "INSERT INTO public._nself_migration_progress AS p"
            " (migration_id, direction, position, phase, statement_hash, facts, run_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (migration_id, direction, position) DO UPDATE SET phase ="
            " excluded.phase, statement_hash = excluded.statement_hash, facts = excluded.facts,"
            " run_id = excluded.run_id, at = pg_catalog.clock_timestamp()",
            (
                self.row_id,
                self.work.direction,
                self.position,
                phase,
                statement_hash(self.statement),
                json.dumps(facts),
                self.session.run_id,
            ),
        )

    def run_in_transaction(self) -> None:
        """Run the statement and its progress row in one transaction, retried on a lock time-out."""
        import psycopg

        from nself_tasks.database.apply import LOCK_ATTEMPTS, pause_after_lock_timeout

        for attempt in range(1, LOCK_ATTEMPTS + 1):
            try:
                self._transaction()
                return
            except psycopg.errors.LockNotAvailable as error:
                self.session.rollback()
                if attempt == LOCK_ATTEMPTS:
                    raise self._failed(error) from None
                pause_after_lock_timeout(self.session, self.work.version, attempt)
            except psycopg.Error as error:
                self.session.rollback()
                raise self._failed(error) from None
            except BaseException:
                self.session.rollback()
                raise

    def _transaction(self) -> None:
        session = self.session
        found = session.run_sql(session.reset_sql() + "BEGIN; " + lock.TRY_IN_TRANSACTION)
        if not found[0][0][0]:
            raise LockNotAcquired(
                f"another migration holds the lock: {lock.holder(session.connection)}",
                hint="wait for it to end, then run again",
            )
        # The row first: after the replay we may be another role, with another search_path.
        self.record("done", {})
        for text in self.replay():
            session.connection.execute(text)
        execute(session, self.statement)
        session.check_index(self.statement)
        session.run_sql(lock.TRY + "; COMMIT")

    def run_alone(self) -> None:
        """Run a statement that no transaction holds, between its intent and its done row."""
        import psycopg

        session = self.session
        facts = self._prepare()
        try:
            execute(session, self.statement)
        except psycopg.Error as error:
            if session.broken:
                raise self._failed(error) from None
            session.run_sql(session.reset_sql() + "SELECT 1")
            self._clean_up_after(facts, error)
            raise self._failed(error) from None
        session.run_sql(session.reset_sql() + "SELECT 1")
        session.verify_lock()
        session.check_index(self.statement)
        self.record("done", facts)

    def _prepare(self) -> dict[str, Any]:
        """Write the intent with what the catalog says before the statement, then replay."""
        session = self.session
        session.run_sql(session.reset_sql() + "SELECT 1")
        self._replay_now()
        facts = indexes.facts_before(session.connection, self.statement.text)
        session.run_sql(session.reset_sql() + "SELECT 1")
        self.record("intent", facts)
        self._replay_now()
        if "CONCURRENTLY" in (self.statement.reason or ""):
            # A time-out would destroy an hours-long build, and these statements block nobody.
            session.connection.execute("SET lock_timeout = 0")
        return facts

    def _replay_now(self) -> None:
        for text in self.replay():
            self.session.connection.execute(text)

    def _clean_up_after(self, facts: dict[str, Any], error: psycopg.Error) -> None:
        """Drop the invalid index of a failed build; the statement failed, so no intent is left.

        What commits by itself before it fails leaves nobody knows what: that it began stays said.
        """
        import psycopg

        hinted = error.diag.constraint_name
        try:
            for name in indexes.drop_leftovers(self.session.connection, facts, hinted=hinted):
                self.session.notice("note", f"dropped the invalid index {name} of the failed build")
        except psycopg.Error as another:
            # The intent stays, and by it the next run finds the index.
            said = another.diag.message_primary or str(another)
            self.session.notice("warning", f"what the failed build left is still there: {said}")
            return
        if self.statement.category is Category.UNDECIDABLE or detached_partition(
            self.statement.text
        ):
            self.record("intent", {**facts, "failed": True})
            return
        self.session.connection.execute(
            "DELETE FROM public._nself_migration_progress"
            " WHERE migration_id = %s AND direction = %s AND position = %s AND phase = 'intent'",
            (self.row_id, self.work.direction, self.position),
        )

    def _failed(self, error: psycopg.Error) -> MigrationFailed:
        failed = failure(
            self.work.script,
            self.statement,
            error,
            version=self.work.version,
            secrets=self.session.secrets,
        )
        failed.database = "partial"
        failed.facts["statement"] = self.position
        return failed
