"""One Postgres server of ours: its data folder made, started, seen running and stopped.

Beside the data folder lie `server.log` and `server.lock`. The server process itself holds that
lock, so "does it live" has an answer after a kill, a reboot and from another container.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.locks import is_free_within, taken_within
from nself_tasks.database.servers.ownership import Account
from nself_tasks.database.servers.profiles import Profile, locale_options
from nself_tasks.database.servers.sockets import (
    answers,
    is_private,
    make_socket_folder,
    socket_path,
)
from nself_tasks.errors import ServerError

INITDB_SECONDS = 300.0
START_SECONDS = 300
"""Long, because a start after a crash replays the log first."""
STOP_SECONDS = 120
LEAVING_SECONDS = 15.0
"""How long the last processes of a killed server may take to go."""
GRACE_SECONDS = 30.0
"""`pg_ctl -t` gives up by itself before we give up on it."""
TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data folder with everything needed to run a server on it."""

    installation: Installation
    account: Account
    data_dir: Path
    socket_dir: Path
    """Where the next start listens; see `listening` for where a running server does."""
    profile: Profile

    @property
    def lock(self) -> Path:
        """Held by the server process as long as any of its processes lives."""
        return self.data_dir.with_name("server.lock")

    @property
    def log(self) -> Path:
        """What the server said since its last start; the one before has `.1` at its end."""
        return self.data_dir.with_name("server.log")

    def initialise(self) -> None:
        """Make the data folder: complete under its name, or not there at all."""
        for leftover in self.data_dir.parent.glob(f"{self.data_dir.name}.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        new = self.data_dir.with_name(f"{self.data_dir.name}.new-{secrets.token_hex(4)}")
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", *self.profile.initdb)
        locale = locale_options(self.installation.major)
        try:
            self._run("initdb", "-D", str(new), *options, *locale, seconds=INITDB_SECONDS)
            new.rename(self.data_dir)
        except OSError as error:
            raise ServerError(f"cannot make {self.data_dir}: {error.strerror}") from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
        _sync(self.data_dir.parent)

    def start(self) -> None:
        """Start the server and wait until it takes connections; after a crash it recovers first.

        Raises ServerError with the end of the server's log.
        """
        make_socket_folder(self.socket_dir, self.account)
        with taken_within(self.lock, LEAVING_SECONDS) as lock:
            if lock is None:
                raise ServerError(
                    f"a server on {self.data_dir} is running, but does not answer",
                    hint="stop it where it was started, perhaps in another container; the "
                    "first line of data/postmaster.pid is its process id",
                )
            # nobody holds the lock: whatever these say is of a server that is no more, even when
            # its pid lives again as another process, for which Postgres would not start
            socket = socket_path(self.socket_dir)
            for stale in (
                self.data_dir / "postmaster.pid",
                socket.with_name(f"{socket.name}.lock"),
            ):
                stale.unlink(missing_ok=True)
            self._write_settings()
            if os.path.lexists(self.log):
                self.log.replace(self.log.with_name(f"{self.log.name}.1"))
            with self.log.open("wb") as log:
                self.account.give(self.log)
                # not `-o`: pg_ctl hands that to a shell
                self._pg_ctl("start", START_SECONDS, output=log, pass_fds=[lock])

    def stop(self) -> None:
        """Stop the server as its profile says and wait until it is gone; raises ServerError."""
        self._pg_ctl("stop", STOP_SECONDS, "-m", self.profile.stop_mode)
        is_free_within(self.lock, LEAVING_SECONDS)

    def _pg_ctl(self, verb: str, seconds: int, *more: str, **how: Any) -> None:
        wait = ("-s", "-w", "-t", str(seconds))
        self._run("pg_ctl", verb, "-D", str(self.data_dir), *wait, *more, seconds=seconds, **how)

    def _run(self, program: str, *arguments: str, seconds: float, **how: Any) -> None:
        """Run a Postgres program to its end; ServerError with its last words when it fails.

        Those are what it said itself, or the server's log where that took its output.
        """
        command = [self.installation.program(program), *arguments]
        try:
            done = self.account.run(command, seconds=seconds + GRACE_SECONDS, **how)
        except OSError as error:
            said = str(error)
        except subprocess.TimeoutExpired:
            said = f"it did not end in {seconds:.0f} s"
        else:
            if done.returncode == 0:
                return
            said = done.stdout if done.stdout is not None else self.log.read_text(errors="replace")
        raise ServerError(
            f"`{program} {arguments[0]}` failed for the Postgres server in {self.data_dir.parent}"
            if program == "pg_ctl"
            else f"`{program}` failed in {self.data_dir.parent}",
            detail="\n".join(said.splitlines()[-TAIL_LINES:]),
        )

    def _write_settings(self) -> None:
        """Our settings over the user's ALTER SYSTEM ones, which stay where they are not ours."""
        ours = {**self.profile.settings, "unix_socket_directories": str(self.socket_dir)}
        path = self.data_dir / "postgresql.auto.conf"
        kept = [
            line
            for line in path.read_text("utf-8", "surrogateescape").splitlines()
            if line.partition("=")[0].strip() not in ours
        ]
        lines = [f"{name} = '{value}'".replace("\\", "\\\\") for name, value in ours.items()]
        new = path.with_name(f"{path.name}.nself")
        with new.open("w", encoding="utf-8", errors="surrogateescape") as file:
            file.write("\n".join([*kept, *lines]) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.account.give(new)
        new.replace(path)


def listening(data_dir: Path, *owners: int) -> Path | None:
    """The socket folder of the server that runs on a data folder, or None; only looks.

    A folder that others can enter is no answer, nor is a server that runs on another data folder:
    a copied project has the original's postmaster.pid.
    """
    try:
        lines = (data_dir / "postmaster.pid").read_text("utf-8", "surrogateescape").splitlines()
        folder = Path(lines[4])
        here = data_dir.samefile(lines[1])
    except (FileNotFoundError, IndexError):
        return None
    return folder if here and is_private(folder, *owners) and answers(folder) else None


def _sync(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
