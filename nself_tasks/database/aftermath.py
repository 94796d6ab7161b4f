"""What a run left in the database, asked when it has ended and through a connection of its own."""

from __future__ import annotations

import time

from nself_tasks.database import connection as connecting
from nself_tasks.database import history
from nself_tasks.errors import ConnectionFailed, NselfError
from nself_tasks.schema_history import History


def ask(
    url: str, run_id: str, *, wait: float = 0.0
) -> tuple[tuple[tuple[str, str], ...], History] | None:
    """Give (version, state) of the rows that a run wrote, and the history; None: nobody answers.

    `wait` is how many seconds to try to connect: a server that was killed under the run is up
    again within some seconds, and then tells what is true.
    """
    import psycopg

    try:
        connection = _connect(url, wait)
    except NselfError:
        return None
    try:
        return history.committed_by(connection, run_id), history.read(connection)
    except (NselfError, psycopg.Error):
        return None
    finally:
        connection.close()


def _connect(url: str, wait: float) -> connecting.Conn:
    deadline = time.monotonic() + wait
    while True:
        try:
            return connecting.connect(url, application="nself-migrate summary", read_only=True)
        except ConnectionFailed:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.5)
