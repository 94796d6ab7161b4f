"""Waits for a session's turn, also where a restore ends the session and replaces the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nself_tasks.database import connection as connecting
from nself_tasks.database import lock
from nself_tasks.errors import ConnectionFailed, GuardError, NotReady

if TYPE_CHECKING:
    from nself_tasks.database.session import Session
    from nself_tasks.errors import DatabaseState
    from nself_tasks.schema_history import ServerFacts

_NAME_SECONDS = 0.5


def take(session: Session, *, wait: float) -> bool:
    """Take the migration lock; gives whether somebody else had it in between.

    A connection that is lost while it waits is opened again: nothing was in flight. Raises
    LockNotAcquired; GuardError where the name leads to another database by then.
    """
    deadline, waited, began_with = time.monotonic() + wait, False, session.facts
    left = wait
    while True:
        try:
            return lock.acquire(session.connection, wait=left, notice=session.notice) or waited
        except lock.WaitCutShort:
            _reopen(session, wait=left)
            require_same(session, began_with, database="unchanged")
            waited, left = True, max(0.0, round(deadline - time.monotonic(), 1))


def _reopen(session: Session, *, wait: float) -> None:
    try:
        session.reopen(wait=wait)
    except NotReady:
        raise
    except ConnectionFailed:
        # Whoever is at the door while a name changes hands hears that there is no such database.
        time.sleep(_NAME_SECONDS)
        session.reopen(wait=wait)


def require_same(session: Session, before: ServerFacts, *, database: DatabaseState | None) -> None:
    """Raise GuardError where the session is on another database than it was before."""
    if connecting.facts(session.connection).identity == before.identity:
        return
    session.close()
    raise GuardError(
        f"`{before.database}` is another database than when this command began: it was replaced,"
        " as a restore does, and this command does not go on in the new one",
        hint="look at `nself migrate status`, then run the command again",
        database=database,
    )
