"""One runner at a time: the advisory lock of a database, and who holds it.

Always `pg_try_advisory_lock` with polling. The blocking call holds a snapshot while it waits, a
CREATE INDEX CONCURRENTLY of the lock's holder waits for that snapshot, and the server ends the
deadlock by killing one of the two.

Whoever waits shows it by a second lock, which all who wait share. A restore that replaces the
database ends such sessions: nothing is in flight in them, and they wait for that very restore.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nself_tasks.errors import LockNotAcquired

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

KEY = int.from_bytes(hashlib.sha256(b"public._nself_migrations").digest()[:8], "big", signed=True)
"""Advisory locks are kept per database, so one constant serves all of them."""

WAITING = int.from_bytes(
    hashlib.sha256(b"public._nself_migrations waiting").digest()[:8], "big", signed=True
)
"""What every session holds that may be ended at any time, because nothing is in flight in it."""

TRY = f"SELECT pg_catalog.pg_try_advisory_lock({KEY})"
TRY_IN_TRANSACTION = f"SELECT pg_catalog.pg_try_advisory_xact_lock({KEY})"

_HIGH, _LOW = (KEY >> 32) & 0xFFFFFFFF, KEY & 0xFFFFFFFF
_OURS = (
    "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
    f" AND l.classid = {_HIGH} AND l.objid = {_LOW} AND l.database ="
    " (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
)
_POLL_SECONDS = (0.05, 0.5)


class WaitCutShort(Exception):
    """The connection was lost while the session waited, and did nothing else."""


def acquire(connection: Conn, *, wait: float, notice: Callable[[str, str], None]) -> bool:
    """Take the lock within `wait` seconds; gives whether we had to wait for somebody.

    Raises LockNotAcquired, naming the holder and since when it runs; WaitCutShort.
    """
    import psycopg

    row = connection.execute(TRY).fetchone()
    if row and row[0]:
        return False
    try:
        _wait(connection, wait, notice)
    except psycopg.OperationalError as error:
        if not connection.broken:
            raise
        raise WaitCutShort from error
    return True


def _wait(connection: Conn, wait: float, notice: Callable[[str, str], None]) -> None:
    deadline = time.monotonic() + wait
    said, pause = False, _POLL_SECONDS[0]
    show_waiting(connection)
    while True:
        row = connection.execute(TRY).fetchone()
        if row and row[0]:
            connection.execute(f"SELECT pg_catalog.pg_advisory_unlock_shared({WAITING})")
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise LockNotAcquired(
                f"another migration holds the lock: {holder(connection)}",
                hint="wait for it to end and run again, or wait longer with `--lock-wait SECONDS`",
                database="unchanged",
            )
        if not said:
            notice("note", f"waiting up to {wait:g} s for the lock, held by {holder(connection)}")
        said = True
        time.sleep(min(left, pause * random.uniform(0.7, 1.3)))
        pause = min(pause * 1.5, _POLL_SECONDS[1])


def show_waiting(connection: Conn) -> None:
    """Show others that nothing is in flight in this session: it may be ended."""
    connection.execute(f"SELECT pg_catalog.pg_try_advisory_lock_shared({WAITING})")


def holder(connection: Conn) -> str:
    """Say who holds the lock, since when: backend, application, user, address."""
    row = connection.execute(
        "SELECT l.pid, a.application_name, a.usename,"
        " pg_catalog.to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'),"
        " coalesce(a.client_addr::text, 'local')"
        " FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)"
        f" WHERE {_OURS} LIMIT 1"
    ).fetchone()
    if row is None:
        return "a runner that has just ended"
    pid, application, user, since, address = row
    name = f"`{application}`" if application else "a session without a name"
    return f"backend {pid}, {name}, user {user or '?'}, from {address}, since {since or '?'}"


def held(connection: Conn) -> bool:
    """Tell whether this session has the lock; only meaningful outside a transaction."""
    row = connection.execute(
        f"SELECT 1 FROM pg_catalog.pg_locks l WHERE {_OURS} AND l.pid = pg_catalog.pg_backend_pid()"
    ).fetchone()
    return row is not None


def reacquire(connection: Conn) -> None:
    """Take back a lock that a migration released; LockNotAcquired when somebody was faster."""
    row = connection.execute(TRY).fetchone()
    if not (row and row[0]):
        raise LockNotAcquired(
            "a statement of this migration released our lock"
            f" (`pg_advisory_unlock_all`?), and it is now held by {holder(connection)}",
            hint="wait for that run to end, then run again",
        )
