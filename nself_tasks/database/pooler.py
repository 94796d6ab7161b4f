"""Connection poolers: is the server session that answers ours alone, for as long as we want it?

The migration lock and our settings belong to a server session. A pooler in transaction or statement
mode lends the session to somebody else between two of our transactions: the lock would hold nobody
off, and our settings would reach a stranger's queries.

A pooler is known by its own process id: it answers the start of a connection with a key of its
own, and `pg_backend_pid()` names another process. (Where the two agree by a pooler's passing the
key on, every migration still takes the lock inside its transaction and stops without it.)

Whether it lends our session can be proven only the other way round: a session that is ours alone
gets a notification while it is idle, because only then is there anybody to deliver it to. Without
that proof nothing is changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from nself_tasks.errors import ConnectionFailed

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

PROOF_SECONDS = 3.0
"""How long to wait for the notification; it takes a millisecond, or a new connection's time."""

_BY_ITSELF = (
    "connect to the server itself: name its own host and port (often 5432, not 6432 or 6543) in"
    " DATABASE_URL or `--database-url`; or let the pooler use session mode for this database"
)


def is_between(connection: Conn) -> bool:
    """Tell whether somebody between us and the server answered the start of this connection."""
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return row is None or row[0] != connection.info.backend_pid


def leave(connection: Conn) -> None:
    """Clean a session that a pooler keeps when we go; not every pooler is told to."""
    import psycopg

    with suppress(psycopg.Error):
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.execute("ROLLBACK")
        connection.execute("DISCARD ALL")


def require_own_session(connection: Conn, another: Callable[[], Conn]) -> None:
    """Raise ConnectionFailed unless it is proven that this idle connection keeps its session.

    `another` opens a second connection in the same way.
    """
    import psycopg

    channel = f"nself_migrate_{secrets.token_hex(8)}"
    try:
        connection.execute(f"LISTEN {channel}")
        proven = _listens(connection, channel) and _is_notified(connection, another, channel)
    except psycopg.errors.ReadOnlySqlTransaction:
        # A standby: nothing can be changed there, and whoever asks next says so.
        return
    except psycopg.OperationalError:
        raise
    except psycopg.Error:
        # The pooler itself does not allow it.
        proven = False
    if not proven:
        raise ConnectionFailed(
            "the database URL leads to a connection pooler that lends our server session to others"
            " between two transactions (transaction or statement mode): the lock that lets one"
            " runner in at a time cannot be held through it",
            hint=_BY_ITSELF,
            facts={"pooler": True},
            database="unchanged",
        )
    connection.execute(f"UNLISTEN {channel}")


def _listens(connection: Conn, channel: str) -> bool:
    """Whether the session that answers now is the one that was told to listen."""
    row = connection.execute(
        "SELECT %s IN (SELECT pg_catalog.pg_listening_channels())", (channel,)
    ).fetchone()
    return row is not None and bool(row[0])


def _is_notified(connection: Conn, another: Callable[[], Conn], channel: str) -> bool:
    """Whether a notification arrives while we ask for nothing."""
    other = another()
    try:
        # Sent, and its answer not waited for: a pool without a free session would never give it.
        other.pgconn.send_query(f"NOTIFY {channel}".encode())
        return any(True for _ in connection.notifies(timeout=PROOF_SECONDS, stop_after=1))
    finally:
        other.close()
