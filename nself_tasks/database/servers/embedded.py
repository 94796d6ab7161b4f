"""The embedded target, `DATABASE_URL=embedded`: a durable server inside the project.

Its users hold a shared lock, the last one to leave stops it. A user that was killed lost its lock
by that; the server it left running serves the next one, and is stopped with that one's exit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.cluster import Cluster, listening
from nself_tasks.database.servers.embedded_home import EmbeddedHome, home_of, programs_for
from nself_tasks.database.servers.locks import held, is_free_within, is_last
from nself_tasks.database.servers.ownership import account_for
from nself_tasks.database.servers.profiles import DURABLE
from nself_tasks.database.servers.sockets import server_url, socket_folder
from nself_tasks.errors import ServerError

DATABASE = "nself"
READY_SECONDS = 60.0
"""A server that restarts itself after a crash of one of its processes says "not yet" meanwhile."""


@contextmanager
def open_embedded(
    project: Path, database: str = DATABASE, *, installation: Installation | None = None
) -> Iterator[str]:
    """Use the project's embedded server, made and started where needed; yields a libpq URL.

    Raises ServerError where the wheel is missing, the data is of another major version, or the
    server does not start.
    """
    home = home_of(project)
    account, programs = account_for(programs_for(home, installation), home.folder)
    home.make(account)
    sockets = socket_folder(home.data, account)
    cluster = Cluster(programs, account, home.data, sockets, DURABLE)
    with held(home.users_lock, exclusive=False) as user:
        try:
            with held(home.start_lock, exclusive=True):
                url = _started(home, cluster, database)
            yield url
        finally:
            _leave(home, cluster, user)


def is_initialised(project: Path) -> bool:
    """Whether the project has an embedded database; only looks."""
    return home_of(project).major() is not None


def is_running(project: Path) -> bool:
    """Whether the project's embedded server takes connections; only looks."""
    home = home_of(project)
    return home.major() is not None and listening(home.data, home.data.stat().st_uid) is not None


def database_exists(url: str, database: str) -> bool:
    """Whether a server has a database of this name; `url` leads to any of its databases.

    Waits for a server that is just restarting itself.
    """
    import psycopg

    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                query = "SELECT FROM pg_catalog.pg_database WHERE datname = %s"
                return connection.execute(query, [database]).fetchone() is not None
        except psycopg.OperationalError as error:
            if "the database system is" not in str(error) or time.monotonic() > deadline:
                raise ServerError(f"the embedded server refuses connections: {error}") from error
            time.sleep(0.1)


def _started(home: EmbeddedHome, cluster: Cluster, database: str) -> str:
    """Under the start lock: data made, server running, database there; returns its URL."""
    if home.folder.stat().st_uid != cluster.account.uid:
        # made as root in a namespace, which the kernel refuses now
        cluster.account.give_tree(home.folder)
    if home.major() is None:
        cluster.initialise()
    folder = listening(home.data, cluster.account.uid)
    if folder is None:
        cluster.start()
        folder = cluster.socket_dir
    if not database_exists(server_url(folder), database):
        _create(server_url(folder), database)
    return server_url(folder, database)


def _create(url: str, database: str) -> None:
    import psycopg
    from psycopg.sql import SQL, Identifier

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(database)))


def _leave(home: EmbeddedHome, cluster: Cluster, user: int) -> None:
    """Stop the server if nobody else uses it.

    Under the start lock, so that of two who leave at once one is the last, and a newcomer starts
    it only after it has stopped. A stop that fails is left to the next one who leaves: it would
    hide what our caller has to say, and no data hangs on it. A server whose lock is free was not
    started by us but by hand: it stays.
    """
    with held(home.start_lock, exclusive=True):
        if not is_last(user) or is_free_within(home.server_lock, 0):
            return
        if folder := listening(home.data, cluster.account.uid):
            with suppress(ServerError, OSError):
                cluster.stop()
                folder.rmdir()
