"""The folder of the embedded server, `<project>/.nself/postgres`: what lies where, whose it is.

data/         Postgres' data folder
server.log    what the server said (`server.log.1`: in the run before)
server.lock   held by the server process
start.lock    held, briefly, by who starts, stops or copies
users.lock    held, shared, by everybody who uses the server
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nself_tasks.database.servers.binaries import INSTALL_THE_EXTRA, Installation, from_wheel
from nself_tasks.database.servers.ownership import Account
from nself_tasks.errors import ServerError
from nself_tasks.records import require_unlinked

IGNORED = (".gitignore", ".dockerignore")


@dataclass(frozen=True, slots=True)
class EmbeddedHome:
    """The paths of one project's embedded server."""

    folder: Path

    @property
    def data(self) -> Path:
        """Postgres' data folder; complete when it is there."""
        return self.folder / "data"

    @property
    def start_lock(self) -> Path:
        """Taken after `users_lock`, never before it and then waiting."""
        return self.folder / "start.lock"

    @property
    def users_lock(self) -> Path:
        """Whoever gets it exclusively is the only user."""
        return self.folder / "users.lock"

    @property
    def server_lock(self) -> Path:
        """See `Cluster.lock`."""
        return self.folder / "server.lock"

    def major(self) -> int | None:
        """The major version that made the data, None without data; ServerError when shut out."""
        try:
            return int((self.data / "PG_VERSION").read_text("ascii").strip())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise ServerError(
                f"the embedded database in {self.folder} belongs to another user",
                hint="run the command as the user who made it",
            ) from error
        except ValueError as error:
            raise ServerError(f"{self.data}/PG_VERSION is not a version number") from error

    def make(self, account: Account) -> None:
        """Make what is missing: the folder, 0700, kept out of git and out of images; the locks."""
        try:
            self._make(account)
        except OSError as error:
            raise ServerError(
                f"cannot write the embedded database's folder: {error.strerror}: {error.filename}",
                hint="run the command as the user who owns it",
            ) from error

    def _make(self, account: Account) -> None:
        require_unlinked(self.folder)
        parent = self.folder.parent
        for folder, mode in ((parent, 0o755), (self.folder, 0o700)):
            try:
                folder.mkdir(mode=mode)
            except FileExistsError:
                continue
            folder.chmod(mode)  # whatever the umask is
            account.give(folder)
        self.folder.chmod(0o700)
        for name in IGNORED:
            path = self.folder / name
            if not os.path.lexists(path):
                path.write_text("*\n")
                account.give(path)
        for path in (self.start_lock, self.users_lock, self.server_lock):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            account.give(path)


def home_of(project: Path) -> EmbeddedHome:
    """The embedded server's folder of a project, there or not."""
    return EmbeddedHome(project.resolve() / ".nself" / "postgres")


def programs_for(home: EmbeddedHome, installation: Installation | None) -> Installation:
    """The programs for this folder's data: those given, else the wheel's.

    Raises ServerError where the wheel is missing or the data is of another major version.
    """
    chosen = installation or from_wheel()
    if chosen is None:
        raise ServerError(
            "the embedded Postgres is not installed",
            hint=f"`{INSTALL_THE_EXTRA}`, or set DATABASE_URL to a server of your own",
        )
    major = home.major()
    if major not in (None, chosen.major):
        raise ServerError(
            f"the embedded database in {home.folder} was made by PostgreSQL {major}, "
            f"the one installed here is PostgreSQL {chosen.major}; nothing was touched",
            hint=f"dump it with PostgreSQL {major} and restore the dump into a new one, "
            f"or install the release of nself-migrate that came with PostgreSQL {major}",
            facts={"data_major": major, "installed_major": chosen.major},
        )
    return chosen
