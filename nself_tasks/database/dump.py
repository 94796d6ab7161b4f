"""pg_dump and pg_restore: passwords go to them by environment, never on a command line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.errors import BackupFailed
from nself_tasks.secrets import mask

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn


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


def write(tools: Installation, connection: Conn, dump: Path) -> None:
    """Write the dump of the database, synced, mode 0600. Raises BackupFailed."""
    environment = connection_environment(connection)
    # A migration's tables are locked ACCESS SHARE; a waiting dump must not queue for ever.
    command = [
        str(tools.bin_dir / "pg_dump"),
        "--format=custom",
        "--create",
        "--lock-wait-timeout=30s",
        "--no-password",
        f"--file={dump}",
        "--",
        environment["PGDATABASE"],
    ]
    done = _run(command, environment)
    if done.returncode != 0:
        raise BackupFailed(
            f"`pg_dump` failed with exit code {done.returncode}",
            detail=mask(done.stderr.strip(), [connection.info.password]),
            hint="mend what it says and run again; in dev `--skip-backup` goes on without a backup",
            database="unchanged",
        )
    with dump.open("rb") as file:
        os.fsync(file.fileno())
    dump.chmod(0o600)


def verify(tools: Installation, dump: Path) -> int:
    """Read the dump's table of contents with pg_restore; gives the number of its entries."""
    done = _run([str(tools.bin_dir / "pg_restore"), "--list", str(dump)], dict(os.environ))
    entries = [x for x in done.stdout.splitlines() if x and not x.startswith(";")]
    # The dump of an empty database has no entries, but a readable table of contents.
    if done.returncode != 0 or "TOC Entries" not in done.stdout:
        raise BackupFailed(
            "the dump cannot be read back by `pg_restore --list`",
            detail=done.stderr.strip(),
            hint="check the disk and run again",
            database="unchanged",
        )
    return len(entries)


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise BackupFailed(
            f"`{command[0]}` could not be started: {error}", database="unchanged"
        ) from None
