"""Opens connections to the target, and says in one sentence why one could not be opened."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nself_tasks.database import pooler
from nself_tasks.database.connection_errors import connection_error
from nself_tasks.errors import ConnectionFailed, NotReady
from nself_tasks.schema_history import ServerFacts

if TYPE_CHECKING:
    import psycopg

    Conn = psycopg.Connection[tuple[Any, ...]]

OLDEST_SERVER = 130000
"""pg_current_snapshot() and the other functions that we rely on are there from 13 on."""

CONNECT_TIMEOUT = 10

RECONNECT_SECONDS = 20.0
"""How long to try to connect again: a server that restarts after a crash needs some seconds."""

SETTINGS = (
    "SET lock_timeout = '{lock_timeout}ms'; SET idle_in_transaction_session_timeout = 0; "
    "SET standard_conforming_strings = on; "
)
"""Our own session settings; set again after each RESET ALL, because a migration may change them."""

READ_ONLY = "SET default_transaction_read_only = on"

LOCK_TIMEOUT_MS = 5000


def own_settings(server_version: int) -> str:
    """Give the SQL that sets our session settings on a server of that version."""
    sql = SETTINGS.format(lock_timeout=LOCK_TIMEOUT_MS)
    if server_version >= 140000:
        # Without it a killed runner's backend keeps its locks until its statement ends.
        sql += "SET client_connection_check_interval = '1000ms'; "
        # While a dump is made, the session that holds the lock does nothing.
        sql += "SET idle_session_timeout = 0; "
    return sql


def application_name(run_id: str) -> str:
    """Give the name under which a run's connections appear in `pg_stat_activity`, at most 63 bytes.

    It carries the run id, so that an orphaned backend of a killed run can be told from ours.
    """
    host = socket.gethostname()[:24]
    return f"nself-migrate {run_id[:13]} {host}:{os.getpid()}"[:63]


def connect(url: str, *, application: str, read_only: bool = False) -> Conn:
    """Open an autocommit connection; raises ConnectionFailed in words, the password masked.

    One that may write is refused where a pooler would lend its session to others.
    """
    import psycopg

    arguments: dict[str, Any] = {
        "application_name": application,
        "client_encoding": "UTF8",
        "autocommit": True,
        # A pooler in transaction mode cannot keep prepared statements.
        "prepare_threshold": None,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    if "connect_timeout" not in url:
        arguments["connect_timeout"] = CONNECT_TIMEOUT
    try:
        connection = psycopg.connect(url, **arguments)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        # The URL itself is wrong where it is no OperationalError.
        lasting = isinstance(error, psycopg.ProgrammingError)
        raise connection_error(url, error, lasting=lasting) from None
    try:
        _require_supported(connection.info.server_version)
        other = arguments | {"application_name": "nself-migrate pooler check"}
        _set_up(connection, lambda: psycopg.connect(url, **other), read_only=read_only)
    except psycopg.OperationalError as error:
        # The server died, or a pooler lost it, right after the greeting.
        connection.close()
        raise connection_error(url, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def connect_within(seconds: float, url: str, *, application: str, read_only: bool = False) -> Conn:
    """Open a connection to a server that may be starting; raises ConnectionFailed.

    The last attempt begins when the time is over. What waiting does not mend, as a wrong password,
    is raised at once.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return connect(url, application=application, read_only=read_only)
        except NotReady:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)


def _require_supported(version: int) -> None:
    if version < OLDEST_SERVER:
        raise ConnectionFailed(
            f"the server is PostgreSQL {version // 10000}, the oldest supported is 13",
            hint="upgrade the server, or point `--database-url` at another one",
            database="unchanged",
        )


def _set_up(connection: Conn, another: Callable[[], Conn], *, read_only: bool) -> None:
    """Make our settings, where they reach nobody else's queries through a pooler."""
    pooled = pooler.is_between(connection)
    if pooled and read_only:
        # Whoever only looks needs neither the settings nor a session of its own.
        return
    if pooled:
        pooler.require_own_session(connection, another)
    sql = own_settings(connection.info.server_version)
    connection.execute(sql + READ_ONLY if read_only else sql)


def facts(connection: Conn) -> ServerFacts:
    """Ask the server who and what it is."""
    import psycopg

    row = connection.execute(
        "SELECT d.oid::text, current_database(), session_user,"
        " coalesce(pg_catalog.inet_server_addr()::text, 'local')"
        " FROM pg_catalog.pg_database d WHERE d.datname = current_database()"
    ).fetchone()
    assert row is not None
    try:
        found = connection.execute(
            "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
        ).fetchone()
        system = found[0] if found else "unknown"
    except psycopg.Error:
        # A hosted service may not allow it; the oid and name still tell databases apart.
        system = "unknown"
    return ServerFacts(
        version=connection.info.server_version,
        database=row[1],
        user=row[2],
        host=row[3],
        identity=f"{system}-{row[0]}",
    )


def standby() -> NotReady:
    """Give the error of a server that takes no writes: it may be promoted, or recover."""
    return NotReady(
        "the server is a standby or still in recovery, it takes no writes",
        hint="point `--database-url` at the primary",
        database="unchanged",
    )


def require_writable(connection: Conn) -> None:
    """Raise ConnectionFailed where the server takes no writes (a standby, or read-only)."""
    row = connection.execute(
        "SELECT pg_catalog.pg_is_in_recovery(),"
        " pg_catalog.current_setting('default_transaction_read_only') = 'on'"
    ).fetchone()
    assert row is not None
    if row[0]:
        raise standby()
    if row[1]:
        raise ConnectionFailed(
            "the server is read-only (`default_transaction_read_only` is on)",
            hint="ask whoever made the database read-only to allow writes, then run again",
            database="unchanged",
        )
