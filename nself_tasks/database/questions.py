"""Asks the target something before a run, in a transaction that cannot write and is rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

Rows = list[tuple[Any, ...]]

SECONDS = 3.0
"""A question takes no longer: what it would tell is not worth keeping a run waiting."""


def ask(
    connection: Conn, query: str, *, settings: Sequence[str] = (), seconds: float = SECONDS
) -> Rows | None:
    """Give the rows of a query, asked in one round trip; None where the server refuses to answer.

    `settings` are statements before it (SET search_path, SET ROLE) that end with the transaction.
    Raises psycopg.OperationalError for a connection that is lost.
    """
    import psycopg

    # Filtered rows would be a wrong count: with row_security off it is an error instead.
    opening = (
        "BEGIN READ ONLY; SET LOCAL row_security = off; SET LOCAL lock_timeout = '500ms';"
        f" SET LOCAL statement_timeout = {round(seconds * 1000)}"
    )
    try:
        cursor = connection.execute(";\n".join([opening, *settings, query, "ROLLBACK"]))
        found: Rows = []
        while True:
            if cursor.description is not None:
                found = list(cursor.fetchall())
            if not cursor.nextset():
                return found
    except psycopg.Error:
        if connection.broken or connection.closed:
            raise
        connection.execute("ROLLBACK")
        return None


def literal(value: str | None) -> str:
    """Give a text as SQL, NULL for None."""
    if value is None:
        return "NULL::text"
    doubled = value.replace("'", "''")
    return f"'{doubled}'::text"
