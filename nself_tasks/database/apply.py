"""Runs one migration: its statements and its history row, in one transaction, together.

A migration that holds a statement which cannot run in a transaction goes to `standalone`.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from nself_tasks.database import lock, recovery, standalone
from nself_tasks.database.progress import left_to_run
from nself_tasks.database.statement import execute, failure
from nself_tasks.database.work import Work
from nself_tasks.errors import LockNotAcquired, MigrationFailed

if TYPE_CHECKING:
    import psycopg

    from nself_tasks.database.session import Session
    from nself_tasks.model import Statement

LOCK_ATTEMPTS = 8
"""How often a transaction is tried whose statement could not get its lock: about a minute."""

_BACKOFF_SECONDS = (0.5, 4.0)

_IN_FORCE = (
    "SELECT id, state, direction FROM public._nself_migrations"
    " WHERE state <> 'rolled_back' AND version::numeric = {number}"
)


def run(session: Session, work: Work) -> None:
    """Run a migration up or down; when it returns, the database says that it is done.

    Raises MigrationFailed (its `database` is set where the state is known here), LockNotAcquired.
    """
    if not work.script.in_one_transaction:
        standalone.run(session, work)
    elif session.in_batch:
        try:
            _retry(session, work, in_savepoint=True)
        except recovery.ConnectionLost as lost:
            raise recovery.lost_in_batch(work, lost) from None
    else:
        try:
            _retry(session, work, in_savepoint=False)
        except recovery.ConnectionLost as lost:
            recovery.settle(session, work, lost)


def begin_batch(session: Session) -> None:
    """Open the one transaction of `--atomic`."""
    session.run_sql(session.clean_sql() + "BEGIN; " + lock.TRY_IN_TRANSACTION)
    session.in_batch = True


def commit_batch(session: Session) -> None:
    """Commit the one transaction of `--atomic`. Raises MigrationFailed."""
    import psycopg

    try:
        session.run_sql(lock.TRY + "; COMMIT")
    except psycopg.Error as error:
        if not session.broken:
            session.rollback()
            raise MigrationFailed(
                f"the transaction of this run could not be committed: {error}"
            ) from None
        recovery.settle_batch(session, recovery.ConnectionLost(None, error))
    session.in_batch = False


def _retry(session: Session, work: Work, *, in_savepoint: bool) -> None:
    """Run it once, and again as long as only a lock time-out was in the way."""
    import psycopg

    statement: list[Statement | None] = [None]
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            _once(session, work, statement, in_savepoint=in_savepoint)
            return
        except psycopg.errors.LockNotAvailable as error:
            _undo(session, in_savepoint=in_savepoint)
            if attempt == LOCK_ATTEMPTS:
                raise _failure(session, work, statement[0], error) from None
            pause_after_lock_timeout(session, work.version, attempt)
        except psycopg.Error as error:
            if session.broken:
                raise recovery.ConnectionLost(statement[0], error) from None
            _undo(session, in_savepoint=in_savepoint)
            raise _failure(session, work, statement[0], error) from None
        except BaseException:
            if not session.broken:
                _undo(session, in_savepoint=in_savepoint)
            raise


def _failure(
    session: Session, work: Work, statement: Statement | None, error: psycopg.Error
) -> MigrationFailed:
    return failure(work.script, statement, error, version=work.version, secrets=session.secrets)


def pause_after_lock_timeout(session: Session, version: str, attempt: int) -> None:
    """Say that a lock was not had, and sleep with jitter before the next attempt."""
    low, high = _BACKOFF_SECONDS
    pause = min(high, low * 2 ** (attempt - 1)) * random.uniform(0.5, 1.5)
    session.notice(
        "note",
        f"{version}: a lock was not free within 5 s, attempt {attempt} of {LOCK_ATTEMPTS};"
        f" nothing is kept waiting behind us, next attempt in {pause:.1f} s",
    )
    time.sleep(pause)


def _undo(session: Session, *, in_savepoint: bool) -> None:
    if in_savepoint:
        session.run_sql(
            "ROLLBACK TO SAVEPOINT _nself_migration; RELEASE SAVEPOINT _nself_migration"
        )
    else:
        session.rollback()


def _once(
    session: Session, work: Work, statement: list[Statement | None], *, in_savepoint: bool
) -> None:
    """One attempt; `statement[0]` is the statement that ran last, for the error's place."""
    started = time.monotonic()
    statement[0] = None
    partial = _begin(session, work, in_savepoint=in_savepoint)
    pieces = work.script.statements if partial is None else left_to_run(session, work, partial)
    for piece in pieces:
        statement[0] = piece
        execute(session, piece)
        session.check_index(piece)
    statement[0] = None
    # The migration may have changed role, search_path or settings: back to ours before the row.
    # It may have released the session lock too; our transaction lock makes taking it again safe.
    session.run_sql("SET CONSTRAINTS ALL IMMEDIATE; " + session.reset_sql() + lock.TRY)
    work.close(session.connection, round((time.monotonic() - started) * 1000), partial=partial)
    if in_savepoint:
        session.run_sql("RELEASE SAVEPOINT _nself_migration")
    else:
        session.run_sql("COMMIT")


def _begin(session: Session, work: Work, *, in_savepoint: bool) -> int | None:
    """Open the transaction, and look again whether there is still something to do.

    Gives the row of a migration that began outside a transaction in this direction: a mend has
    made of it one that needs none.

    Another runner may have been faster since the plan was made, and plain doit can be told to run
    one task alone or always, so the guard is here and not only in the graph.
    """
    opening = "SAVEPOINT _nself_migration; " if in_savepoint else "BEGIN; "
    # By itself: in one message with BEGIN it would be part of the transaction, UNLISTEN undone.
    session.run_sql(session.clean_sql() + "SELECT 1")
    found = session.run_sql(
        opening
        + lock.TRY_IN_TRANSACTION
        + "; "
        + _IN_FORCE.format(number=work.migration.number)
        + "; SELECT pg_catalog.pg_current_xact_id()::text::bigint"
    )
    if not in_savepoint:
        session.on_transaction(found[2][0][0])
    if not found[0][0][0]:
        raise LockNotAcquired(
            f"another migration holds the lock: {lock.holder(session.connection)}",
            hint="wait for it to end, then run again",
        )
    row_id, state, begun = found[1][0] if found[1] else (None, None, None)
    if state == "partial" and begun == work.direction:
        return int(row_id)
    expected = None if work.direction == "up" else "applied"
    if state != expected:
        done = "is already recorded as " + state if state else "is not applied any more"
        raise MigrationFailed(
            f"{work.version} {done}: another runner has been here since the plan was made",
            hint="look at `nself migrate status`, then run again",
            facts={"version": work.version},
        )
    return None
