"""`pg_restore` of one place: it reads a dump, or fills a fresh database to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nself_tasks.database.client_program import run_watched
from nself_tasks.database.dump import connection_environment, conninfo
from nself_tasks.database.servers.binaries import Installation
from nself_tasks.errors import BackupFailed
from nself_tasks.secrets import mask

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

APPLICATION = "nself-migrate restore"


@dataclass(frozen=True, slots=True)
class PgRestore:
    """The program on this machine, or the one in a container, which gets the dump by its stdin."""

    major: int
    kind: str
    """Where it is from: `local`, `environment`, `embedded`, `compose`."""
    command: tuple[str, ...]
    """What starts it, before its own arguments."""
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    """Of a container, with the password; None for a program that reaches the server as we do."""

    @property
    def label(self) -> str:
        """What people are told: `pg_restore 16 (local)`."""
        return f"pg_restore {self.major} ({self.kind})"

    def read(self, dump: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Have it read a dump without any server. Raises BackupFailed where it cannot start."""
        bare = {k: os.environ[k] for k in ("PATH", "HOME", "TZ") if k in os.environ}
        environment = {**bare, "LC_ALL": "C"} if self.environment is None else self.environment
        with self._given(dump) as (stdin, path):
            try:
                return subprocess.run(
                    [*self.command, *arguments, *path],
                    env=environment,
                    stdin=stdin,
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    cwd=self._cwd,
                    check=False,
                )
            except OSError as error:
                raise BackupFailed(
                    f"`pg_restore` could not be started: {error}", database="unchanged"
                ) from None

    def fill(
        self,
        connection: Conn,
        dump: Path,
        *,
        progress: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Restore a dump into the database of `connection`, all of it. Raises BackupFailed.

        `progress` is told the seconds that it has taken, about twice a second.
        """
        environment = self.environment
        if environment is None:
            environment = connection_environment(connection) | {"PGAPPNAME": APPLICATION}
        options = ["--exit-on-error", "--no-password", "--dbname=" + conninfo(connection)]
        with self._given(dump) as (stdin, path):
            ended = run_watched(
                [*self.command, *options, *path],
                environment,
                stdin=stdin,
                cwd=self._cwd,
                told=progress,
            )
        if ended.code != 0:
            raise BackupFailed(
                f"`pg_restore` {ended.how}",
                detail=mask(ended.said, [connection.info.password]),
                hint="mend what it says, then run the same command again",
                database="unchanged",
            )

    @property
    def _cwd(self) -> str | None:
        # Beside a compose file `docker compose` would read that, and what it names.
        return None if self.environment is None else "/"

    @contextmanager
    def _given(self, dump: Path) -> Iterator[tuple[IO[bytes] | int, list[str]]]:
        """Give the dump as its standard input, or as its last argument."""
        if self.environment is None:
            yield subprocess.DEVNULL, [str(dump)]
            return
        with dump.open("rb") as file:
            yield file, []


def installed(tools: Installation) -> PgRestore:
    """Give the program of an installation on this machine."""
    return PgRestore(tools.major, tools.kind, (tools.program("pg_restore"),))
