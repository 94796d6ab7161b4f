"""What the tests ask a database, and what they do to it behind the command's back."""

from __future__ import annotations

from typing import Any

import psycopg


def execute(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def rows(url: str, query: str) -> list[Any]:
    """The rows of a query; of a query with one column its values."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query).fetchall()
    return [row[0] if len(row) == 1 else row for row in found]


def tables(url: str) -> list[str]:
    """The names of all tables but our own."""
    return rows(
        url,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname !~ '^_nself'"
        " AND relnamespace <> ALL ('{pg_catalog,information_schema}'::regnamespace[]) ORDER BY 1",
    )


def indexes(url: str) -> dict[str, bool]:
    """The indexes of all tables but our own, and whether each is valid."""
    return dict(
        rows(
            url,
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index JOIN pg_class t"
            " ON t.oid = indrelid WHERE t.relname !~ '^_nself' AND t.relkind <> 't'"
            " AND t.relnamespace <> ALL ('{pg_catalog,information_schema}'::regnamespace[])",
        )
    )


def applied(url: str) -> list[str]:
    """The versions that the history says are applied."""
    return history(url, "applied")


def history(url: str, state: str) -> list[str]:
    """The versions of the rows in one state, in the order in which they were written."""
    return rows(
        url, f"SELECT version FROM public._nself_migrations WHERE state = '{state}' ORDER BY id"
    )
