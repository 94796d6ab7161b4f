"""Who else is at work in the database, for so long that a migration would wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nself_tasks.database.questions import ask, literal

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.migrations.needs import Need

LONG_SECONDS = 300.0
"""A transaction that is older is named. PostgreSQL's documentation gives no limit; a run itself
waits for a lock for about one minute."""

_SESSIONS = """
SELECT pg_catalog.pg_is_in_recovery(), a.pid, a.usename::text, a.application_name,
  a.state, extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8,
  ARRAY(SELECT pg_catalog.format('%s.%s', s.nspname, c.relname)
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
    JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
    JOIN (VALUES {values}) AS need(nsp, name) ON need.name = c.relname
      AND CASE WHEN need.nsp IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
        ELSE need.nsp = s.nspname END
    WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation'
      AND l.database = (SELECT oid FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database())
    ORDER BY 1)
FROM (VALUES (0)) AS always(row) LEFT JOIN pg_catalog.pg_stat_activity a
  ON a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend'
  AND a.pid <> pg_catalog.pg_backend_pid()
  AND a.xact_start < pg_catalog.clock_timestamp() - interval '1 second' * {seconds}
ORDER BY a.xact_start
"""


class Open(NamedTuple):
    """Another session's transaction that has been open for long."""

    pid: int
    user: str
    application: str
    state: str
    seconds: float
    holds: tuple[str, ...]
    """The tables of those asked for on which it holds a lock."""


class Activity(NamedTuple):
    """What the server is doing now."""

    standby: bool
    transactions: tuple[Open, ...]
    """The oldest first."""


def activity(connection: Conn, tables: Sequence[Need]) -> Activity:
    """Give the transactions that have been open for long, with their locks on these tables.

    One round trip. A role that may not see other sessions is told of none.
    """
    # A row that no table has, because VALUES cannot be empty.
    pairs = [(None, ""), *((need.schema, need.name) for need in tables)]
    values = ", ".join(f"({literal(schema)}, {literal(name)})" for schema, name in pairs)
    rows = ask(connection, _SESSIONS.format(values=values, seconds=float(LONG_SECONDS)))
    if not rows:
        return Activity(False, ())
    found = [
        Open(pid, user or "?", application or "?", state or "?", seconds, tuple(holds))
        for _, pid, user, application, state, seconds, holds in rows
        if pid is not None and seconds is not None
    ]
    return Activity(bool(rows[0][0]), tuple(found))
