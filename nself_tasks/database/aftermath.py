"""What a run left in the database, asked when it has ended and through a connection of its own."""

from __future__ import annotations

from nself_tasks.database import connection as connecting
from nself_tasks.database import history
from nself_tasks.errors import NselfError
from nself_tasks.schema_history import History


def ask(url: str, run_id: str) -> tuple[tuple[tuple[str, str], ...], History] | None:
    """Give (version, state) of the rows that a run wrote, and the history; None: nobody answers."""
    import psycopg

    try:
        connection = connecting.connect(url, application="nself-migrate summary", read_only=True)
    except NselfError:
        return None
    try:
        return history.committed_by(connection, run_id), history.read(connection)
    except (NselfError, psycopg.Error):
        return None
    finally:
        connection.close()
