"""Where a server of ours listens: a Unix socket in a short folder that only its owner can enter.

That folder is the server's whole access control (`trust` behind it), so a folder that somebody
else could have put there is never used.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from nself_tasks.database.servers.ownership import Account
from nself_tasks.errors import ServerError

PORT = 5432
"""A part of the socket's name only: nothing listens on TCP."""
LONGEST_PATH = 103
"""Bytes of a socket's path on macOS; Linux takes 107."""
ANSWER_SECONDS = 5.0
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""The one question that every server answers at once, and that leaves no line in its log."""


def socket_folder(data_dir: Path, account: Account) -> Path:
    """The folder for the socket of one data folder: the same one whenever TMPDIR is the same."""
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    name = f"nself-{account.uid}-{digest}"
    base = Path(tempfile.gettempdir()).absolute()
    if not fits(base / name) or (account.changes_user and not account.can_enter(base)):
        base = Path("/tmp")
    return base / name


def fits(folder: Path) -> bool:
    """Whether a socket in this folder has a path that the kernel takes."""
    return len(os.fsencode(socket_path(folder))) <= LONGEST_PATH


def socket_path(folder: Path) -> Path:
    """The file that a server listening in `folder` makes."""
    return folder / f".s.PGSQL.{PORT}"


def make_socket_folder(folder: Path, account: Account) -> None:
    """Make the folder, or take the one that is there if it is the account's and only its.

    Raises ServerError for a symlink, for somebody else's folder and for one that others can enter.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not is_private(folder, account.uid, os.geteuid()):
            raise ServerError(
                f"the folder for the server's socket, {folder}, is not ours or is open to others",
                hint="look whose it is and remove it, or set TMPDIR to a folder of your own",
            ) from None
    except OSError as error:
        raise ServerError(f"cannot make the folder {folder}: {error.strerror}") from error
    account.give(folder)


def is_private(folder: Path, *owners: int) -> bool:
    """Whether this is a real folder, of one of the owners, that nobody else can enter."""
    try:
        seen = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid in owners and not seen.st_mode & 0o077


def answers(folder: Path) -> bool:
    """Whether a server listens there and talks, be it only to say that it is starting up.

    A connection alone proves nothing: for some milliseconds after a SIGKILL of the server its
    other processes still hold the socket open, and nobody ever reads from it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_SECONDS)
        try:
            probe.connect(os.fspath(socket_path(folder)))
            probe.sendall(SSL_REQUEST)
            return probe.recv(1) in (b"S", b"N", b"E")
        except OSError:
            return False


def server_url(folder: Path, database: str = "postgres") -> str:
    """The libpq URL of a database, as the superuser `postgres`."""
    place = quote(os.fspath(folder), safe="")
    return f"postgresql://postgres@/{quote(database, safe='')}?host={place}&port={PORT}"


def with_database(url: str, database: str) -> str:
    """The same server and user, another database."""
    parts = urlsplit(url)
    # urlunsplit drops an empty authority's slashes for schemes it does not know
    changed = urlunsplit(parts._replace(path="/" + quote(database, safe="")))
    return changed if "://" in changed else changed.replace(":", "://", 1)
