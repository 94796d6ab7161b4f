"""What became of a transaction whose connection was lost: only the history row can tell.

`pg_xact_status` is not asked: after a server crash a reused transaction id answers "committed" for
a transaction that was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nself_tasks.database import connection as connecting
from nself_tasks.database import history
from nself_tasks.database.work import Work
from nself_tasks.errors import ConnectionFailed, DatabaseState, MigrationFailed

if TYPE_CHECKING:
    import psycopg

    from nself_tasks.database.session import Session
    from nself_tasks.model import Statement

ORPHAN_SECONDS = 30.0
"""How long to wait for our old backend: the server sees a dead client within a second (from 14
on), but a COMMIT whose answer was lost may still be running."""

Proof = Callable[[tuple[tuple[str, str], ...]], bool]
"""Whether the (version, state) of the rows that this run left prove that it committed."""

_GONE = "; its transaction did not commit"


class ConnectionLost(Exception):
    """The connection broke inside a migration; whether it committed is not known here."""

    def __init__(self, statement: Statement | None, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.statement = statement
        self.error = error


def settle(session: Session, work: Work, lost: ConnectionLost) -> None:
    """Find out what became of the transaction; return only when it is proven to have committed.

    Then the session is open again and has the lock again. Raises MigrationFailed, its `database`
    unset where the transaction is proven gone, `unknown` where nobody can tell.
    """
    wanted = "applied" if work.direction == "up" else "rolled_back"
    _settle(
        session,
        lost,
        f"in {work.version}",
        lambda rows: any(int(v) == work.migration.number and s == wanted for v, s in rows),
        _facts(work, lost),
    )


def settle_batch(session: Session, lost: ConnectionLost) -> None:
    """Do the same for the one transaction of `--atomic`: all of its rows are there, or none."""
    _settle(session, lost, "at the commit of this run", bool, {})


def lost_in_batch(work: Work, lost: ConnectionLost) -> MigrationFailed:
    """Give the error for a connection lost before the one COMMIT of `--atomic` was sent."""
    return _failure(lost, f"in {work.version}", _GONE, _facts(work, lost))


def _settle(
    session: Session, lost: ConnectionLost, where: str, proof: Proof, facts: dict[str, Any]
) -> None:
    session.notice("warning", f"the connection was lost {where}, asking what committed")
    committed = _outcome(session, proof)
    if committed is None:
        unknown = " and the server cannot be asked what became of it"
        raise _failure(lost, where, unknown, facts, database="unknown")
    if not committed:
        raise _failure(lost, where, _GONE, facts)
    session.reopen(wait=ORPHAN_SECONDS)
    session.notice("note", f"what was sent {where} had committed; connected again")


def _facts(work: Work, lost: ConnectionLost) -> dict[str, Any]:
    facts: dict[str, Any] = {"version": work.version, "path": str(work.script.source.path)}
    return facts | ({"line": lost.statement.line} if lost.statement else {})


def _failure(
    lost: ConnectionLost,
    where: str,
    what: str,
    facts: dict[str, Any],
    *,
    database: DatabaseState | None = None,
) -> MigrationFailed:
    return MigrationFailed(
        f"the connection was lost {where}{what}",
        detail=" ".join(str(lost.error).split()),
        hint="run the same command again: it starts with what is not in the history",
        facts=facts,
        database=database,
    )


def _outcome(session: Session, proof: Proof) -> bool | None:
    """True: the row is there. False: it is not, and our old backend is gone. None: unknown."""
    import psycopg

    try:
        connection = connecting.connect_within(
            connecting.RECONNECT_SECONDS,
            session.url,
            application="nself-migrate recovery",
            read_only=True,
        )
    except ConnectionFailed:
        return None
    try:
        deadline = time.monotonic() + ORPHAN_SECONDS
        while True:
            alive = _backend_alive(connection, session)
            # The order matters: a backend that is gone cannot commit after we looked.
            if proof(history.committed_by(connection, session.run_id)):
                return True
            if not alive:
                return False
            if time.monotonic() > deadline:
                return None
            time.sleep(0.2)
    except psycopg.Error:
        # Lost again while asking.
        return None
    finally:
        connection.close()


def _backend_alive(connection: connecting.Conn, session: Session) -> bool:
    """Whether the backend of the lost connection still runs; the pid alone may be a new one's."""
    pid, started = session.backend
    row = connection.execute(
        "SELECT 1 FROM pg_catalog.pg_stat_activity"
        " WHERE (pid = %s AND backend_start = %s) OR application_name = %s",
        (pid, started, session.application),
    ).fetchone()
    return row is not None
