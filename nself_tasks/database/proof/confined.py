"""Runs what a stranger has written: as a role that may do nothing outside, watched from beside.

The role owns the scratch database and nothing else. Its own limits it could lift (`SET
statement_timeout = 0`), so a thread with a connection of its own looks at the clock and at the
disk, and ends the session.

No superuser is ever made to run what the schema or a draft has defined: a check, a default, an
index, a cast to JSON. Rows are planted and read as `PLANTER`, whom no policy keeps out and who may
do no more than the role; a superuser reads catalogs, with `search_path` on `pg_catalog` alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nself_tasks.database.servers.sockets import with_database

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

ROLE = "nself_draft"
PLANTER = "nself_planter"
SECONDS = 10.0
"""How long one direction of a draft may take: the tables hold three rows each."""
_TIMEOUT = round(SECONDS * 1000)
MOST_BYTES = 512 << 20
"""How far the scratch database may grow."""
_LOOK_EVERY = 0.2
CATALOG_ONLY = "-c search_path=pg_catalog"
"""For a superuser: no function of the schema is taken for one of the server's."""


def roles() -> Iterator[str]:
    """Give the statements that make both roles."""
    plain = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT"
    yield f"CREATE ROLE {ROLE} {plain} NOBYPASSRLS"
    yield f"CREATE ROLE {PLANTER} {plain} BYPASSRLS IN ROLE {ROLE}"
    for role in (ROLE, PLANTER):
        yield from _limits(role)


def as_at_first() -> Iterator[str]:
    """Give the statements that take back what a role may change of itself."""
    for role in (ROLE, PLANTER):
        yield f"ALTER ROLE {role} PASSWORD NULL"
        yield f"ALTER ROLE {role} RESET ALL"
        yield from _limits(role)


def _limits(role: str) -> Iterator[str]:
    yield f"ALTER ROLE {role} SET statement_timeout = '{_TIMEOUT}ms'"
    yield f"ALTER ROLE {role} SET lock_timeout = '5s'"
    yield f"ALTER ROLE {role} SET temp_file_limit = '128MB'"


@dataclass(slots=True)
class Session:
    """A connection as one of the roles; `ended_for` says why it was ended from outside."""

    connection: Conn
    seconds: float
    deadline: float
    ended_for: str | None = None

    def starts_anew(self) -> None:
        """Give the next part its own time."""
        self.deadline = time.monotonic() + self.seconds


@contextmanager
def session(
    server: str, database: str, user: str = ROLE, *, seconds: float | None = None
) -> Iterator[Session]:
    """Connect as the role; the session is ended when its time is over or its disk is full."""
    import psycopg

    limit = seconds or SECONDS
    connection = psycopg.connect(
        with_database(server, database),
        user=user,
        autocommit=True,
        application_name="nself-migrate draft",
    )
    found = Session(connection, limit, time.monotonic() + limit)
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(found, server, database, over), daemon=True)
    watch.start()
    try:
        yield found
    finally:
        over.set()
        watch.join()
        with suppress(psycopg.Error):
            connection.close()


def _watch(found: Session, server: str, database: str, over: threading.Event) -> None:
    import psycopg

    pid = found.connection.info.backend_pid
    beside = psycopg.connect(server, autocommit=True, options=CATALOG_ONLY)
    with suppress(psycopg.Error), beside:
        while not over.wait(_LOOK_EVERY):
            if time.monotonic() > found.deadline + _LOOK_EVERY:
                found.ended_for = f"it ran longer than {found.seconds:g} s and was ended"
            elif _size(beside, database) > MOST_BYTES:
                found.ended_for = f"it made more than {MOST_BYTES >> 20} MB and was ended"
            if found.ended_for:
                beside.execute("SELECT pg_catalog.pg_terminate_backend(%s::int)", [pid])
                return


def _size(connection: Conn, database: str) -> int:
    row = connection.execute("SELECT pg_catalog.pg_database_size(%s::name)", [database]).fetchone()
    return int(row[0]) if row else 0
