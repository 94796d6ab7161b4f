"""Which pg_dump takes a backup: one of the server's own major version, here, in the container of
the Compose stack, or in the wheel; and the pg_restore that belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nself_tasks.compose_exec import Stack
from nself_tasks.database import dump as dumping
from nself_tasks.database.container_dump import ContainerTool, in_container, reading_in
from nself_tasks.database.dump import Progress, unwatched
from nself_tasks.database.pg_restore import PgRestore, installed
from nself_tasks.database.servers.binaries import (
    Installation,
    dump_tools,
    local_dump_tools,
    wheel_dump_tools,
)
from nself_tasks.errors import BackupFailed

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.schema_history import ServerFacts

FindStack = Callable[[], Stack | None]
"""Gives the stack whose container may be the server; asked only where its answer matters."""


class DumpTool(Protocol):
    """pg_dump and pg_restore of one place, for one server."""

    @property
    def major(self) -> int:
        """The version of both programs."""

    @property
    def label(self) -> str:
        """What people are told: `pg_dump 16 (local)`."""

    def dump(self, connection: Conn, dump: Path, *, progress: Progress = unwatched) -> None:
        """Write the dump of the connection's database, synced, mode 0600. Raises BackupFailed."""

    @property
    def restorer(self) -> PgRestore:
        """The pg_restore that belongs to it."""


@dataclass(frozen=True, slots=True)
class LocalTool:
    """Programs on this machine: installed, named by the user, or from the wheel."""

    installation: Installation

    @property
    def major(self) -> int:
        """The version of both programs."""
        return self.installation.major

    @property
    def label(self) -> str:
        """`pg_dump 16 (local)`."""
        return f"pg_dump {self.major} ({self.installation.kind})"

    def dump(self, connection: Conn, dump: Path, *, progress: Progress = unwatched) -> None:
        """Write the dump of the connection's database. Raises BackupFailed."""
        dumping.write(self.installation, connection, dump, progress=progress)

    @property
    def restorer(self) -> PgRestore:
        """The pg_restore of the same installation."""
        return installed(self.installation)


def find(connection: Conn, facts: ServerFacts, find_stack: FindStack) -> DumpTool | str:
    """Give the tool for a server, or say why the stack's container is none either.

    Local binaries of the server's major version, the container if it proves to be this server, the
    wheel: a dump of another major version is refused by pg_dump or does not restore.
    """
    if found := local_dump_tools(facts.major):
        return LocalTool(found)
    stack = find_stack()
    inside = in_container(stack, connection, facts) if stack else ""
    if isinstance(inside, ContainerTool):
        return inside
    wheel = wheel_dump_tools(facts.major)
    return LocalTool(wheel) if wheel else inside


def choose(connection: Conn, facts: ServerFacts, find_stack: FindStack) -> DumpTool:
    """Give the tool for a server. Raises BackupFailed, with the ways out, where there is none."""
    found = find(connection, facts, find_stack)
    if not isinstance(found, str):
        return found
    raise BackupFailed(
        f"no `pg_dump` of PostgreSQL {facts.major}, the server's version, was found",
        detail=found or None,
        hint=f"install the client tools (Debian: `postgresql-client-{facts.major}`) or set"
        " NSELF_PG_BINDIR; in dev `--skip-backup` goes on without one",
        database="unchanged",
    )


_LOOK_AHEAD = 8
"""How many majors beyond the dump's own are looked for: pg_restore reads all older dumps."""


def reading(program_major: int, find_stack: FindStack) -> PgRestore | None:
    """Give a pg_restore that reads a dump of this major, its own or a newer one; here, else in the
    stack's container."""
    majors = range(program_major, program_major + _LOOK_AHEAD)
    if found := next((found for major in majors if (found := dump_tools(major))), None):
        return installed(found)
    stack = find_stack()
    inside = reading_in(stack) if stack else None
    return inside if inside and inside.major >= program_major else None


def restoring(
    connection: Conn, facts: ServerFacts, program_major: int, find_stack: FindStack
) -> PgRestore | None:
    """Give a pg_restore that reads a dump of this major and whose SQL the server knows.

    The server's own major is best; older ones do, down to the dump's. A newer one sets parameters
    that the server does not have.
    """
    if facts.major < program_major:
        return None
    found = find(connection, facts, find_stack)
    if not isinstance(found, str):
        return found.restorer
    majors = range(facts.major - 1, program_major - 1, -1)
    older = next((tools for major in majors if (tools := dump_tools(major))), None)
    return installed(older) if older else None
