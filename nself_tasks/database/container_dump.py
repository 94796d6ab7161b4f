"""pg_dump and pg_restore in the container of the Compose stack's `postgres`.

Used only when the container is the very server that the connection talks to. The dump comes over
standard output; the password goes by the environment of `docker`, never on a command line.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_tasks.compose_exec import Stack, docker_environment
from nself_tasks.database import dump as dumping
from nself_tasks.database.client_program import run_watched
from nself_tasks.database.dump import Progress, unwatched
from nself_tasks.database.pg_restore import APPLICATION, PgRestore
from nself_tasks.secrets import mask

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.schema_history import ServerFacts

PROBE_SECONDS = 20.0

_WHO = (
    "SELECT d.oid::text || ' ' || pg_catalog.current_setting('server_version_num') || ' ' ||"
    " extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text"
    " FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
)
"""Two servers do not start in the same microsecond; a standby shares the system identifier."""

_ROUTES: tuple[Mapping[str, str], ...] = ({}, {"PGHOST": "127.0.0.1"})
"""How programs in the container reach its server: as libpq does by itself, by the local socket;
where that is forbidden or elsewhere, by TCP."""


@dataclass(frozen=True, slots=True)
class ContainerTool:
    """The programs of the stack's container, which has proven to be the server itself."""

    stack: Stack
    major: int
    route: Mapping[str, str] = field(repr=False)
    """libpq's variables inside the container, the password among them."""

    @property
    def label(self) -> str:
        """`pg_dump 16 (compose)`."""
        return f"pg_dump {self.major} (compose)"

    def dump(self, connection: Conn, dump: Path, *, progress: Progress = unwatched) -> None:
        """Write the dump of the connection's database, synced, mode 0600. Raises BackupFailed."""
        words = ["pg_dump", *dumping.DUMP_OPTIONS, "--", dumping.conninfo(connection)]
        with dump.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            ended = run_watched(
                self.stack.command(*words, environment=tuple(self.route)),
                docker_environment() | dict(self.route),
                stdout=file,
                cwd="/",
                told=lambda seconds: progress(dumping.size_of(dump), seconds),
            )
            os.fsync(file.fileno())
        if ended.code != 0:
            raise dumping.dump_failed(ended, connection)

    @property
    def restorer(self) -> PgRestore:
        """The pg_restore of the same container, which reaches the server as its pg_dump does."""
        return _restorer(self.stack, self.major, {**self.route, "PGAPPNAME": APPLICATION})


def reading_in(stack: Stack) -> PgRestore | None:
    """Give the container's pg_restore for reading dumps: no server is asked for that."""
    major = _major(stack, "pg_restore")
    return _restorer(stack, major, {}) if major else None


def _restorer(stack: Stack, major: int, given: Mapping[str, str]) -> PgRestore:
    command = stack.command("pg_restore", environment=tuple(given))
    return PgRestore(major, "compose", tuple(command), docker_environment() | dict(given))


def in_container(stack: Stack, connection: Conn, facts: ServerFacts) -> ContainerTool | str:
    """Give the container's tools if it is the connection's server, else say why not."""
    where = f"the container of `postgres` in the stack `{stack.name}`"
    majors = {_major(stack, program) for program in ("pg_dump", "pg_restore")}
    if majors != {facts.major}:
        return f"{where} has no `pg_dump` of PostgreSQL {facts.major}"
    row = connection.execute(
        f"SELECT ({_WHO}), pg_catalog.current_setting('port')",
    ).fetchone()
    assert row is not None
    said = []
    for route in _ROUTES:
        given = {**_login(connection), "PGPORT": row[1], **route}
        answer = _ask(stack, "psql", "-XAtq", "--no-password", "-c", _WHO, environment=given)
        if answer is not None and _text(answer.stdout).strip() == row[0]:
            return ContainerTool(stack, facts.major, given)
        said.append(_text(answer.stderr).strip() if answer else "it does not answer")
    # A route that led to another server has said nothing on standard error.
    why = f": {mask(said[0], [connection.info.password])}" if all(said) else ""
    return f"{where} is not the server of this database{why}"


def _login(connection: Conn) -> dict[str, str]:
    password = connection.info.password
    return {
        "PGUSER": connection.info.user,
        "PGDATABASE": connection.info.dbname,
        "PGAPPNAME": "nself-migrate backup",
        "PGCONNECT_TIMEOUT": "10",
        **({"PGPASSWORD": password} if password else {}),
    }


def _major(stack: Stack, program: str) -> int | None:
    done = _ask(stack, program, "--version")
    version = re.search(r"\(PostgreSQL\)\D*(\d+)", _text(done.stdout)) if done else None
    return int(version[1]) if version else None


def _ask(stack: Stack, *words: str, **given: Any) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return stack.run(*words, seconds=PROBE_SECONDS, **given)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _text(said: bytes | None) -> str:
    return (said or b"").decode(errors="replace")
