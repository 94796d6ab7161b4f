"""Runs one statement of a migration and turns its error into file, line and caret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import MigrationFailed
from nself_tasks.migrations.position import excerpt, locate
from nself_tasks.model import Category, Script, Statement
from nself_tasks.secrets import mask

if TYPE_CHECKING:
    import psycopg

    from nself_tasks.database.session import Session

_COPY_CHUNK = 1 << 20

_HINTS = {
    "25001": (
        "start the file with the line `-- nself: no-transaction`, so that it runs statement by"
        " statement"
    ),
    "2D000": (
        "a procedure that commits cannot run in the migration's transaction: start the file with"
        " the line `-- nself: no-transaction`"
    ),
    "55P04": "use the new enum value in a later migration: it is not usable before commit",
}


def execute(session: Session, statement: Statement) -> None:
    """Run one statement as its author wrote it; COPY data is streamed. Raises psycopg.Error."""
    with session.listening(), session.connection.cursor() as cursor:
        if statement.copy_data is None:
            cursor.execute(statement.text)
            return
        data = statement.copy_data.encode()
        with cursor.copy(statement.text) as copy:
            for at in range(0, len(data), _COPY_CHUNK):
                copy.write(data[at : at + _COPY_CHUNK])


def failure(
    script: Script, statement: Statement | None, error: psycopg.Error, *, version: str
) -> MigrationFailed:
    """Turn the server's error into one that names file, line, column, SQLSTATE and next step."""
    text, path = script.source.text, str(script.source.path)
    diagnostic = error.diag
    offset = _offset(text, statement, diagnostic) if statement else 0
    line, column = locate(text, offset)
    primary = mask(diagnostic.message_primary or str(error).strip(), [])
    lines = [mask(excerpt(text, offset), [])] if statement else []
    for label, value in (
        ("detail", diagnostic.message_detail),
        ("hint", diagnostic.message_hint),
        ("context", diagnostic.context),
        ("inner statement", diagnostic.internal_query),
    ):
        if value:
            lines.append(f"{label}: {mask(value, [])}")
    state = error.sqlstate or "no SQLSTATE"
    facts: dict[str, Any] = {
        "version": version,
        "path": path,
        "line": line,
        "column": column,
        "sqlstate": error.sqlstate,
        "server_message": primary,
    }
    # Without a statement it was the end of the migration: deferred constraints, the history row.
    place = f"{path}:{line}:{column}:" if statement else f"{path}: after its last statement:"
    return MigrationFailed(
        f"{place} {primary} ({state})",
        detail="\n".join(lines),
        hint=_HINTS.get(error.sqlstate or ""),
        facts=facts,
    )


def _offset(text: str, statement: Statement, diagnostic: Any) -> int:
    """Give the character of the file that the server points at, else the statement's first."""
    if diagnostic.statement_position:
        # 1-based and in characters, as measured with é and emoji.
        return statement.start + int(diagnostic.statement_position) - 1
    if statement.copy_data is not None and diagnostic.context:
        row = re.search(r"\bCOPY .*?(\d+)", diagnostic.context.splitlines()[0])
        at = text.find(statement.copy_data, statement.start + len(statement.text))
        if row and at >= 0:
            skipped = "".join(statement.copy_data.splitlines(True)[: int(row[1]) - 1])
            return at + len(skipped)
    return statement.start


def runs_alone(script: Script, statement: Statement) -> bool:
    """Tell whether a statement must run outside a transaction.

    In a file declared `no-transaction`, CALL and DO do as well: they may commit by themselves.
    """
    return statement.category is Category.STANDALONE or (
        script.no_transaction and statement.category is Category.UNDECIDABLE
    )
