"""pg_dump and pg_restore: passwords go to them by environment, never on a command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nself_tasks.database.client_program import Ended, run_watched
from nself_tasks.database.servers.binaries import Installation
from nself_tasks.errors import BackupFailed
from nself_tasks.secrets import mask

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.database.pg_restore import PgRestore

Progress: TypeAlias = Callable[[int, float], None]
"""Told the bytes that are there and the seconds that it took, about twice a second."""

# A migration's tables are locked ACCESS SHARE; a waiting dump must not queue for ever.
DUMP_OPTIONS = ("--format=custom", "--create", "--lock-wait-timeout=30s", "--no-password")


def unwatched(size: int, seconds: float) -> None:
    """Tell nobody."""


def connection_environment(connection: Conn) -> dict[str, str]:
    """Give the environment in which libpq's programs reach the same database."""
    environment = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TZ") if k in os.environ}
    names = {
        "host": "PGHOST",
        "hostaddr": "PGHOSTADDR",
        "port": "PGPORT",
        "user": "PGUSER",
        "dbname": "PGDATABASE",
        "password": "PGPASSWORD",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
        "sslcert": "PGSSLCERT",
        "sslkey": "PGSSLKEY",
        "options": "PGOPTIONS",
        "passfile": "PGPASSFILE",
    }
    parameters = connection.info.get_parameters()
    parameters["password"] = connection.info.password
    for key, name in names.items():
        if parameters.get(key):
            environment[name] = parameters[key]
    environment.setdefault("PGHOST", connection.info.host)
    environment.setdefault("PGPORT", str(connection.info.port))
    environment.setdefault("PGUSER", connection.info.user)
    environment["PGAPPNAME"] = "nself-migrate backup"
    return environment


def conninfo(connection: Conn) -> str:
    """Give the connection's database as a connection string that holds its name alone.

    A name with a `=` in it, or one that begins like a URL, would be read as a connection string.
    """
    escaped = connection.info.dbname.replace("\\", r"\\").replace("'", r"\'")
    return f"dbname='{escaped}'"


def write(
    tools: Installation, connection: Conn, dump: Path, *, progress: Progress = unwatched
) -> None:
    """Write the dump of the database, synced, mode 0600. Raises BackupFailed."""
    command = [
        tools.program("pg_dump"),
        *DUMP_OPTIONS,
        f"--file={dump}",
        "--",
        conninfo(connection),
    ]
    ended = run_watched(
        command,
        connection_environment(connection),
        told=lambda seconds: progress(size_of(dump), seconds),
    )
    if ended.code != 0:
        raise dump_failed(ended, connection)
    with dump.open("rb") as file:
        os.fsync(file.fileno())
    dump.chmod(0o600)


def size_of(dump: Path) -> int:
    """Give the bytes that are there of a dump that is being written."""
    try:
        return dump.stat().st_size
    except FileNotFoundError:
        return 0


def verify(restorer: PgRestore, dump: Path) -> int:
    """Have a dump read back to its end; gives the number of its entries. Raises BackupFailed.

    The table of contents stands at the beginning: it is sound where the rest was cut off.
    """
    whole = restorer.read(dump, "--file=/dev/null")
    listed = whole if whole.returncode != 0 else restorer.read(dump, "--list")
    # The dump of an empty database has no entries, but a readable table of contents.
    if listed.returncode != 0 or "TOC Entries" not in listed.stdout:
        raise BackupFailed(
            "the dump cannot be read back by `pg_restore`",
            detail=listed.stderr.strip(),
            hint="check the disk and run again",
            database="unchanged",
        )
    return sum(1 for line in listed.stdout.splitlines() if line and not line.startswith(";"))


def dump_failed(ended: Ended, connection: Conn) -> BackupFailed:
    """Give the error of a pg_dump that failed."""
    return BackupFailed(
        f"`pg_dump` {ended.how}",
        detail=mask(ended.said, [connection.info.password]),
        hint="mend what it says and run again; in dev `--skip-backup` goes on without a backup",
        database="unchanged",
    )
