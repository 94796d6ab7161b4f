"""Waits for a database that is not there yet, as it is when containers start together.

Only what time alone can mend is waited for: a server that is starting or recovering, a refused
connection, a name that does not resolve yet. A wrong password stays wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from nself_tasks.database.connection_errors import connection_error
from nself_tasks.errors import ConnectionFailed, NotReady

_PAUSES = (0.1, 2.0)
_SAY_AGAIN_SECONDS = 10.0


def until_it_answers(
    url: str, seconds: float, notice: Callable[[str, str], None], *, writes: bool = False
) -> None:
    """Return when the database of the URL answers; with `writes` when it is no standby either.

    Raises ConnectionFailed when the seconds are over, at once for what waiting cannot mend. Zero
    seconds ask nothing: the connection that follows says what is wrong.
    """
    if not seconds:
        return
    began = time.monotonic()
    pause, said, said_at = _PAUSES[0], "", began
    while (error := _try(url, began + seconds - time.monotonic(), writes=writes)) is not None:
        now = time.monotonic()
        why = error.message.removeprefix("cannot connect to ")
        if not isinstance(error, NotReady):
            raise error
        if now + pause > began + seconds:
            error.message = f"waited {seconds:g} s for the database: {error.message}"
            raise error
        if why != said or now - said_at > _SAY_AGAIN_SECONDS:
            left = seconds - (now - began)
            notice("note", f"waiting for the database, {left:.0f} s left: {why}")
            said, said_at = why, now
        time.sleep(pause)
        pause = min(_PAUSES[1], pause * 1.5)
    if said:
        notice("note", f"the database answers after {time.monotonic() - began:.1f} s")


def _try(url: str, left: float, *, writes: bool) -> ConnectionFailed | None:
    """Connect once, for no longer than what is left; gives why that failed."""
    import psycopg

    from nself_tasks.database.connection import require_writable

    # libpq takes whole seconds, and 1 for 2.
    seconds = max(2, min(10, round(left)))
    try:
        with psycopg.connect(
            url, connect_timeout=seconds, autocommit=True, application_name="nself-migrate wait"
        ) as connection:
            if writes:
                require_writable(connection)
    except ConnectionFailed as error:
        return error
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        # The URL itself is wrong where it is no OperationalError.
        return connection_error(url, error, lasting=isinstance(error, psycopg.ProgrammingError))
    return None
