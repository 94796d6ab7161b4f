"""Gives a restored database its name, in one transaction: the old one keeps another.

    BEGIN; shop → shop_before_restore_…; shop_restore_… → shop; both comments; COMMIT

It runs in another database of the server. The first rename locks the database's entry before it
looks who is connected, so newcomers wait at the door while those inside are ended. Whatever dies
meanwhile, the server rolls the transaction back or has committed it: there is no state between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nself_tasks.database import marked_databases as marks
from nself_tasks.database import sessions
from nself_tasks.database.dump_script import quoted

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.database.marked_databases import Mark
    from nself_tasks.database.session import Session

_LOOK_EVERY = 0.05
_AT_THE_DOOR = """
SELECT 1 FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.objid
WHERE l.locktype = 'object' AND l.classid = 'pg_catalog.pg_database'::regclass
  AND l.mode = 'AccessExclusiveLock' AND l.granted AND l.pid = %s AND d.datname = %s
"""

_END = """
SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
WHERE a.pid = %s AND a.usename = session_user
"""


@dataclass(slots=True)
class Inside:
    """Our own session on the old database, which holds the migration lock; None: there is none."""

    session: Session | None

    @property
    def pid(self) -> int:
        """Its backend; 0 where it is closed."""
        return self.session.backend[0] if self.session and self.session.locked else 0

    def leave(self, watcher: Conn | None = None) -> None:
        """Close it, and with it the lock; a pooler would keep it open, so `watcher` ends it."""
        pid = self.pid
        if self.session is not None:
            self.session.close()
        if watcher is not None and pid:
            watcher.execute(_END, (pid,))


@dataclass(frozen=True, slots=True)
class Exchange:
    """Which database takes whose name."""

    fresh: str
    name: str
    """The name that the fresh one gets."""
    kept: str | None
    """What the one that has the name now is called afterwards; None: nobody has it."""
    mark: Mark
    """For the comment of the kept one."""
    comment: str | None
    """The statement that gives the fresh one its comment from the dump, or none."""


Notice = Callable[[str, str], None]


def without_others(
    exchange: Exchange,
    connection: Conn,
    watcher: Conn,
    *,
    inside: Inside,
    disconnect: bool,
    wait: float,
    notice: Notice,
) -> None:
    """Swap the names. Raises LockNotAcquired where somebody stays connected after `wait` seconds.

    `inside` is closed at the last moment, so that nobody else can take the migration lock in
    between. `watcher` is a second connection, to another database than the two.
    """
    import psycopg

    deadline = time.monotonic() + wait
    while True:
        if not disconnect and exchange.kept is not None:
            left = max(0.0, deadline - time.monotonic())
            ours = (inside.pid,)
            sessions.wait_until_gone(watcher, exchange.name, ours=ours, wait=left, notice=notice)
        try:
            _once(exchange, connection, watcher, inside, disconnect=disconnect, notice=notice)
            return
        except psycopg.errors.ObjectInUse:
            # Once our own session is gone the lock may be somebody's: no second try.
            if not inside.pid or time.monotonic() >= deadline:
                found = sessions.in_use(watcher, exchange.name, (inside.pid,))
                raise sessions.in_the_way(exchange.name, found, disconnect=disconnect) from None


def _once(
    exchange: Exchange,
    connection: Conn,
    watcher: Conn,
    inside: Inside,
    *,
    disconnect: bool,
    notice: Notice,
) -> None:
    """Try it once; the server itself waits five seconds for those who are still connected."""
    failed: list[BaseException] = []
    # Not what the connection says of itself: a pooler gives it a number of its own, and keeps the
    # sessions in which we have filled the fresh one.
    pid = _backend(connection)
    sessions.end(watcher, sessions.others(watcher, exchange.fresh))

    def rename() -> None:
        try:
            _swap(exchange, connection)
        except BaseException as error:
            failed.append(error)

    # The rename waits in the server: who is inside has to be ended from beside it.
    thread = threading.Thread(target=rename, name="exchange", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            at_the_door = watcher.execute(_AT_THE_DOOR, (pid, exchange.name)).fetchone()
            if at_the_door and _is_empty(exchange, watcher, inside, disconnect, notice):
                inside.leave(watcher)
            thread.join(_LOOK_EVERY)
    finally:
        # A signal must not leave a rename behind of which nobody knows whether it was done.
        if thread.is_alive():
            connection.cancel()
        thread.join()
    if failed:
        raise failed[0]


def _backend(connection: Conn) -> int:
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0


def _is_empty(
    exchange: Exchange, watcher: Conn, inside: Inside, disconnect: bool, notice: Notice
) -> bool:
    """Tell whether nobody but us is inside. Commands of ours that only wait are ended, and with
    `disconnect` the others. We leave last: as long as we are inside, nobody else has the lock."""
    found = sessions.others(watcher, exchange.name, (inside.pid,))
    if found and (disconnect or all(session.is_waiting for session in found)):
        notice("note", "disconnected: " + "; ".join(map(str, found)))
        sessions.end(watcher, found)
    return not found


def _swap(exchange: Exchange, connection: Conn) -> None:
    with connection.transaction():
        # Newcomers hold the entry for a moment only; whoever holds it longer is named after this.
        connection.execute("SET LOCAL lock_timeout = '10s'")
        if exchange.kept is not None:
            before = marks.comment_of(connection, exchange.name)
            _rename(connection, exchange.name, exchange.kept)
            kept = replace(exchange.mark, comment=before)
            marks.set_comment(connection, exchange.kept, kept.text())
        _rename(connection, exchange.fresh, exchange.name)
        marks.set_comment(connection, exchange.name, None)
        if exchange.comment:
            connection.execute(exchange.comment)


def _rename(connection: Conn, name: str, new: str) -> None:
    connection.execute(f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(new)}")


def identity_of(connection: Conn, name: str) -> str | None:
    """Give the identity of any database of the server, as `connection.facts` gives a connected
    one's; None where there is none of the name."""
    from nself_tasks.database import connection as connecting

    system = connecting.facts(connection).identity.rpartition("-")[0]
    row: Any = connection.execute(
        "SELECT oid::text FROM pg_catalog.pg_database WHERE datname = %s", (name,)
    ).fetchone()
    return f"{system}-{row[0]}" if row else None
