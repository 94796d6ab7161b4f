"""Runs a migration statement by statement, because one of them refuses to run in a transaction.

What can run in a transaction commits together with its progress row. For the others: an intent
row, the statement, a done row; a rerun that finds an intent asks the catalog (`undecided`). Every
statement starts in a clean session in which the earlier SETs of the file were replayed, so that a
resume is no special case.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nself_tasks.database import history, lock, undecided
from nself_tasks.database.progress import check_unedited, read_progress
from nself_tasks.database.standalone_step import Step
from nself_tasks.database.statement import runs_alone
from nself_tasks.database.work import Work
from nself_tasks.errors import LockNotAcquired, MigrationFailed

if TYPE_CHECKING:
    from nself_tasks.database.session import Session


def run(session: Session, work: Work) -> None:
    """Run or resume it. Raises MigrationFailed with `database` partial, HistoryError."""
    started = time.monotonic()
    row_id = _open(session, work)
    progress = read_progress(session.connection, row_id, work.direction)
    check_unedited(work.script, progress, work.version, undecided=session.undecided)
    resumed = sum(1 for phase, _, _ in progress.values() if phase == "done")
    if resumed:
        session.notice("note", f"{work.version}: resumes after statement {resumed}")
    for position, statement in enumerate(work.script.statements, 1):
        phase, _, facts = progress.get(position, ("", "", {}))
        if phase == "done":
            continue
        step = Step(session, work, row_id, position, statement)
        asked = phase == "intent" and not facts.get("failed")
        if asked and undecided.finished(session, step.replay(), statement, facts):
            step.record("done", facts)
        elif runs_alone(work.script, statement):
            step.run_alone()
        else:
            step.run_in_transaction()
    elapsed = round((time.monotonic() - started) * 1000)
    session.run_sql(session.clean_sql() + "SELECT 1")
    session.verify_lock()
    with session.connection.transaction():
        work.finish_row(session.connection, row_id, elapsed)


def _open(session: Session, work: Work) -> int:
    """Give the history row of the migration, made now where this is no resume."""
    session.run_sql(session.clean_sql() + "SELECT 1")
    with session.connection.transaction():
        found = session.run_sql(
            lock.TRY_IN_TRANSACTION + "; SELECT id, state FROM public._nself_migrations"
            f" WHERE state <> 'rolled_back' AND version::numeric = {work.migration.number}"
        )
        if not found[0][0][0]:
            raise LockNotAcquired(
                f"another migration holds the lock: {lock.holder(session.connection)}",
                hint="wait for it to end, then run again",
            )
        row = found[1][0] if found[1] else None
        if work.direction == "up":
            if row is None:
                return work.open_row(session.connection, state="partial")
            if row[1] == "partial":
                return int(row[0])
        elif row is not None:
            history.mark_partial_rollback(session.connection, int(row[0]), session.run_id)
            return int(row[0])
    raise MigrationFailed(
        f"{work.version} is {row[1] if row else 'not applied any more'}: another runner has been"
        " here since the plan was made",
        hint="look at `nself migrate status`, then run again",
        facts={"version": work.version},
    )
