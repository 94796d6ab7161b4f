"""Who else is connected to a database: named, waited for, or ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nself_tasks.database.lock import WAITING
from nself_tasks.errors import LockNotAcquired, Problem

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

_POLL_SECONDS = 0.2
_MOST_NAMED = 20

# Autovacuum is no obstacle: the server ends it itself where a database is renamed.
_OTHERS = """
SELECT a.pid, coalesce(a.usename, '?'),
  coalesce(nullif(a.application_name, ''), a.backend_type, '?'),
  coalesce(a.client_addr::text, 'local'),
  coalesce(pg_catalog.to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '?'),
  EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.database = a.datid
    AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.classid = %(high)s::text::oid AND l.objid = %(low)s::text::oid)
FROM pg_catalog.pg_stat_activity a
WHERE a.datname = %(name)s AND a.pid <> ALL (%(ours)s)
  AND coalesce(a.backend_type, '') NOT LIKE 'autovacuum%%'
ORDER BY a.backend_start
"""
_PREPARED = """
SELECT gid, owner, pg_catalog.to_char(prepared, 'YYYY-MM-DD HH24:MI:SS TZ')
FROM pg_catalog.pg_prepared_xacts WHERE database = %s ORDER BY prepared
"""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A connection of somebody else."""

    pid: int
    user: str
    application: str
    address: str
    since: str
    is_waiting: bool = False
    """It is a command of ours that waits for its turn, or only looks on: nothing is in flight."""

    def __str__(self) -> str:
        return (
            f"backend {self.pid}, `{self.application}`, user {self.user}, from {self.address},"
            f" since {self.since}"
        )


def others(connection: Conn, database: str, ours: tuple[int, ...] = ()) -> list[OpenSession]:
    """Give the sessions on a database that are not ours, the oldest first."""
    high, low = divmod(WAITING % (1 << 64), 1 << 32)
    asked = {"name": database, "ours": list(ours), "high": str(high), "low": str(low)}
    rows = connection.execute(_OTHERS, asked).fetchall()
    return [OpenSession(*row) for row in rows]


def in_use(connection: Conn, database: str, ours: tuple[int, ...] = ()) -> list[OpenSession]:
    """Give those of them in which something may be in flight: commands of ours that wait are not.
    Such a command waits for us, and we must not wait for it."""
    return [found for found in others(connection, database, ours) if not found.is_waiting]


def prepared(connection: Conn, database: str) -> list[Problem]:
    """Give the prepared transactions of a database: nobody is connected, yet they hold it."""
    rows = connection.execute(_PREPARED, (database,)).fetchall()
    return [
        Problem(
            f"prepared transaction `{gid}` of {owner}, since {since}: commit it or roll it back"
        )
        for gid, owner, since in rows
    ]


def end(connection: Conn, found: list[OpenSession]) -> None:
    """End sessions. Raises LockNotAcquired, naming those that this user may not end."""
    import psycopg

    refused = []
    for session in found:
        try:
            connection.execute("SELECT pg_catalog.pg_terminate_backend(%s)", (session.pid,))
        except psycopg.errors.InsufficientPrivilege:
            refused.append(session)
    if refused:
        raise LockNotAcquired(
            "this database user may not end sessions of others",
            problems=_named(refused),
            hint="stop those programs, or run as a superuser or a member of pg_signal_backend",
            database="unchanged",
        )


def wait_until_gone(
    connection: Conn,
    database: str,
    *,
    ours: tuple[int, ...],
    wait: float,
    notice: Callable[[str, str], None],
) -> None:
    """Return when no other session is in use. Raises LockNotAcquired after `wait` seconds."""
    deadline, said = time.monotonic() + wait, False
    while found := in_use(connection, database, ours):
        if time.monotonic() >= deadline:
            raise in_the_way(database, found)
        if not said:
            named = "; ".join(str(session) for session in found[:_MOST_NAMED])
            notice("note", f"waiting up to {wait:g} s for {len(found)} to leave: {named}")
            said = True
        time.sleep(_POLL_SECONDS)


def in_the_way(
    database: str, found: list[OpenSession], *, disconnect: bool = False
) -> LockNotAcquired:
    """Give the error that names the sessions which keep a database from being replaced. With
    `disconnect` the ones before them were ended: what is there has come back, or has left again."""
    if disconnect:
        return LockNotAcquired(
            f"others connect to `{database}` faster than they can be disconnected",
            problems=_named(found),
            hint="stop the programs that reconnect (Hasura, auth, storage do) and run again",
            database="unchanged",
        )
    count = f"{len(found)} session{'s are' if len(found) != 1 else ' is'}"
    return LockNotAcquired(
        f"{count} connected to `{database}`, which cannot be replaced meanwhile",
        problems=_named(found),
        hint="stop those programs and run again, wait longer with `--lock-wait SECONDS`, or end"
        " them with `--disconnect`",
        database="unchanged",
    )


def _named(found: list[OpenSession]) -> list[Problem]:
    named = [Problem(str(session)) for session in found[:_MOST_NAMED]]
    left = len(found) - len(named)
    return [*named, *([Problem(f"and {left} more")] if left > 0 else [])]
