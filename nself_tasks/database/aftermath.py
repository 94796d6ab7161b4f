"""What a run left in the database, asked when it has ended and through a connection of its own."""

from __future__ import annotations

from nself_tasks.database import connection as connecting
from nself_tasks.database import history
from nself_tasks.errors import ConnectionFailed, NselfError
from nself_tasks.schema_history import History

CLOSING_SECONDS = 3.0
"""How long the server may still count the session that we have just closed: where it allows one
connection only, the next is refused until then."""


def ask(
    url: str, run_id: str, *, wait: float = 0.0
) -> tuple[tuple[tuple[str, str], ...], History] | None:
    """Give (version, state) of the rows that a run wrote, and the history; None: nobody answers.

    `wait` is how many seconds to try to connect: a server that was killed under the run is up
    again within some seconds, and then tells what is true.
    """
    import psycopg

    try:
        connection = connecting.connect_within(
            max(wait, CLOSING_SECONDS), url, application="nself-migrate summary", read_only=True
        )
    except NselfError:
        return None
    try:
        return history.committed_by(connection, run_id), history.read(connection)
    except (NselfError, psycopg.Error):
        return None
    finally:
        connection.close()


def applied_now(url: str, application: str) -> History:
    """Read what is applied over a connection of its own. Raises ConnectionFailed, also where the
    connection is lost on the way, and what `history.read` raises."""
    import psycopg

    connection = connecting.connect(url, application=application, read_only=True)
    try:
        return history.read(connection)
    except psycopg.OperationalError as error:
        raise ConnectionFailed(f"the connection was lost: {str(error).strip()}") from None
    finally:
        connection.close()
