"""What a live database has beside its schema: settings of every session, views that are filled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from nself_tasks.database.proof.confined import session

if TYPE_CHECKING:
    from psycopg import sql

    from nself_tasks.database.connection import Conn
    from nself_tasks.database.proof.live import Live

_HARMLESS = frozenset(
    {
        "search_path",
        "timezone",
        "datestyle",
        "intervalstyle",
        "bytea_output",
        "xmloption",
        "default_text_search_config",
        "default_toast_compression",
    }
)
"""What says how a statement is read. A live database is not trusted with what loads programs."""
_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|\Z)')


FILLED = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND c.relispopulated AND n.nspname NOT IN ('hdb_catalog', 'hdb_views')
ORDER BY c.oid
"""
"""The materialized views that have data, qualified, in the order in which they were made."""
CALLING_OUT = """
SELECT ' TRIGGER ' || n.nspname || ' ' || c.relname || ' ' || t.tgname || ' '
FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS f ON f.oid = p.pronamespace
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND f.nspname IN ('hdb_catalog', 'hdb_views')
"""
"""Those of Hasura's event triggers: their functions are Hasura's own."""


def settings(live: Live, database: str) -> Iterator[sql.Composed]:
    """Give the statements that make a database set what the live one sets for every session."""
    from psycopg import sql

    for given in live.settings:
        name, _, value = given.partition("=")
        if name.lower() not in _HARMLESS and "." not in name:
            continue
        said: sql.Composable = sql.Literal(value)
        if name.lower() == "search_path":
            found = (m[2] or m[1].replace('""', '"') for m in _NAME.finditer(value) if m[0])
            said = sql.SQL(", ").join(map(sql.Identifier, found))
        yield sql.SQL("ALTER DATABASE {} SET {} = {}").format(
            sql.Identifier(database), sql.SQL(".").join(map(sql.Identifier, name.split("."))), said
        )


def fill_views(live: Live, server: str, database: str) -> None:
    """Fill the materialized views that are filled there; one that cannot be stays empty."""
    import psycopg
    from psycopg import sql

    if not live.filled:
        return
    with session(server, database) as found, suppress(psycopg.OperationalError):
        for name in live.filled:
            with suppress(psycopg.errors.Error):
                found.connection.execute(sql.SQL(f"REFRESH MATERIALIZED VIEW {name}"))


def keep_wrappers(connection: Conn, loader: str) -> None:
    """Take over what comes with an extension and only a superuser may own."""
    from psycopg import sql

    owned = connection.execute(
        "SELECT fdwname FROM pg_catalog.pg_foreign_data_wrapper AS w"
        " JOIN pg_catalog.pg_roles AS r ON r.oid = w.fdwowner WHERE r.rolname = %s",
        [loader],
    ).fetchall()
    for (name,) in owned:
        connection.execute(
            sql.SQL("ALTER FOREIGN DATA WRAPPER {} OWNER TO CURRENT_USER").format(
                sql.Identifier(name)
            )
        )
