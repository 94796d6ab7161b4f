"""How far a migration outside a transaction came, and whether the part that ran was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_tasks.errors import HistoryError
from nself_tasks.migrations.script import statement_hash
from nself_tasks.model import Category

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.database.session import Session
    from nself_tasks.database.work import Work
    from nself_tasks.model import Script, Statement

Progress = dict[int, tuple[str, str, dict[str, Any]]]
"""position → (phase, statement hash, facts)"""


def read_progress(connection: Conn, row_id: int, direction: str) -> Progress:
    """Read how far a partial migration came."""
    rows = connection.execute(
        "SELECT position, phase, statement_hash, facts FROM public._nself_migration_progress"
        " WHERE migration_id = %s AND direction = %s ORDER BY position",
        (row_id, direction),
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def check_unedited(
    script: Script, progress: Progress, version: str, *, undecided: str | None
) -> None:
    """Raise HistoryError where a statement before the resume point is not the one that ran.

    One that was only begun counts as well, unless it failed, or a person decided that it is to be
    run again.
    """
    for position, (phase, recorded, facts) in progress.items():
        if phase == "intent" and (undecided == "rerun" or facts.get("failed")):
            continue
        pieces = script.statements
        if position > len(pieces) or statement_hash(pieces[position - 1]) != recorded:
            line = pieces[position - 1].line if position <= len(pieces) else pieces[-1].line
            ran = "has already run" if phase == "done" else "was begun"
            raise HistoryError(
                f"{script.source.path}:{line}: statement {position} of {version} was edited, but"
                f" it {ran} outside a transaction",
                hint="put the statements before the resume point back as they were;"
                " what comes after it may be edited",
                facts={"version": version, "path": str(script.source.path), "line": line},
                database="partial",
            )


def left_to_run(session: Session, work: Work, row_id: int) -> tuple[Statement, ...]:
    """Give the statements of a partial migration from its resume point on, after its earlier SETs.

    Raises HistoryError where what has run was edited.
    """
    progress = read_progress(session.connection, row_id, work.direction)
    check_unedited(work.script, progress, work.version, undecided=session.undecided)
    done = sum(1 for phase, _, _ in progress.values() if phase == "done")
    if done:
        session.notice("note", f"{work.version}: resumes after statement {done}")
    return tuple(
        statement
        for position, statement in enumerate(work.script.statements, 1)
        if position > done or statement.category is Category.SESSION
    )
