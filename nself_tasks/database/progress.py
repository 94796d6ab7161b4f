"""How far a migration outside a transaction came, and whether the part that ran was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_tasks.errors import HistoryError
from nself_tasks.migrations.script import statement_hash

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.model import Script

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

    One that was only begun counts as well, unless a person decided that it is to be run again.
    """
    for position, (phase, recorded, _) in progress.items():
        if phase == "intent" and undecided == "rerun":
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
