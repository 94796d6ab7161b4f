"""Runs one statement of a migration and turns its error into file, line and caret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import MigrationFailed
from nself_tasks.migrations.masked import masked_excerpt, masked_statement
from nself_tasks.migrations.position import locate
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
    "57014": (
        "if it was the time limit of this database or user, begin the file with"
        " `SET statement_timeout = '1h';`, then run again: it starts at what is left"
    ),
    "55P04": "use the new enum value in a later migration: it is not usable before commit",
}


def execute(session: Session, statement: Statement) -> None:
    """Run one statement as its author wrote it; COPY data is streamed. Raises psycopg.Error.

    The file's own bytes are sent, which are UTF-8, whatever the client encoding is: psycopg would
    send the same characters in that encoding, and COPY data as it is.
    """
    _check_encoding(session, statement)
    with session.listening(), session.connection.cursor() as cursor:
        if statement.copy_data is None:
            cursor.execute(statement.text.encode())
            return
        data = statement.copy_data.encode()
        with cursor.copy(statement.text.encode()) as copy:
            for at in range(0, len(data), _COPY_CHUNK):
                copy.write(data[at : at + _COPY_CHUNK])


def _check_encoding(session: Session, statement: Statement) -> None:
    """Refuse a text that the server would read as other characters than the file has."""
    import psycopg

    encoding = session.connection.info.parameter_status("client_encoding")
    # In SQL_ASCII, with which a dump of such a database begins, bytes are taken as they are.
    if (
        encoding in ("UTF8", "SQL_ASCII")
        or (statement.text + (statement.copy_data or "")).isascii()
    ):
        return
    raise psycopg.errors.UntranslatableCharacter(
        f"the file is UTF-8, but its `SET client_encoding` makes the server read it as {encoding},"
        " that is as other characters: take that line out"
    )


def failure(
    script: Script,
    statement: Statement | None,
    error: psycopg.Error,
    *,
    version: str,
    secrets: Sequence[str] = (),
) -> MigrationFailed:
    """Turn the server's error into one that names file, line, column, SQLSTATE and next step.

    `secrets` are values that it must not show, besides what looks like one.
    """
    text, path = script.source.text, str(script.source.path)
    diagnostic = error.diag
    offset = _offset(text, statement, diagnostic) if statement else 0
    line, column = locate(text, offset)
    primary = mask(diagnostic.message_primary or str(error).strip(), [])
    lines = [masked_excerpt(script, offset, secrets)] if statement else []
    lines += _said_besides(diagnostic)
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


def _said_besides(diagnostic: Any) -> list[str]:
    said = (
        ("detail", diagnostic.message_detail),
        ("hint", diagnostic.message_hint),
        ("context", diagnostic.context),
        ("inner statement", diagnostic.internal_query),
    )
    return [f"{label}: {masked_statement(value)}" for label, value in said if value]


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
