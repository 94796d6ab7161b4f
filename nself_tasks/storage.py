"""Writes to the project: new files, our own folders in `.nself/`, and the lock on them."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from nself_tasks.discovery import Project
from nself_tasks.errors import InputError, LockNotAcquired, NselfError

_POLL_SECONDS = 0.1


def state_dir(project: Project) -> Path:
    """Give the folder of locks, journal and staged files, which may not exist yet."""
    return project.root / ".nself" / "migrate"


def backup_dir(project: Project) -> Path:
    """Give the folder of backups, which may not exist yet."""
    return project.root / ".nself" / "backup"


def ensure_private(path: Path) -> Path:
    """Make a folder that only its owner reads and that neither git nor Docker picks up.

    Raises NselfError where that cannot be.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_symlink():
            raise NselfError(f"`{path}` is a symlink, its permissions are not ours to change")
        if stat.S_IMODE(path.stat().st_mode) != 0o700:
            path.chmod(0o700)
        for name in (".gitignore", ".dockerignore"):
            if not (path / name).exists():
                (path / name).write_bytes(b"*\n")
    except OSError as error:
        raise NselfError(f"cannot prepare `{path}`: {error.strerror}") from error
    return path


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, and its folder: whole and on disk, or not at all.

    Raises InputError, changing nothing, when something of that name is there or the folder cannot
    be written to.
    """
    # No `.sql` at its end: after a crash it must not look like a migration.
    draft = path.with_name(f".nself-{os.urandom(8).hex()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            _name(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise InputError(f"`{path}` is there already and was left alone") from error
    except OSError as error:
        raise InputError(f"cannot write `{path}`: {error.strerror}") from error


def _name(draft: Path, path: Path) -> None:
    """Give the draft its name unless it is taken; a rename would replace what is there."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links (exFAT, some mounts): take the name first, then fill it.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        draft.replace(path)


def _sync_folder(folder: Path) -> None:
    # Some network file systems cannot sync a folder; the file itself is on disk by now.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def file_lock(
    project: Project,
    wait: float = 30.0,
    *,
    notice: Callable[[str, str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock on the project's files, waiting up to `wait` seconds for it.

    The system frees it when we die; children do not inherit it. `notice(level, text)` is told once
    when we have to wait. Raises LockNotAcquired, naming the holder and since when it runs.
    """
    path = ensure_private(state_dir(project)) / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NselfError(f"cannot open the lock file `{path}`: {error.strerror}") from error
    try:
        _take(descriptor, path, wait, notice or (lambda level, text: None))
        _sign(descriptor)
        yield
    finally:
        # The file stays: removing it would let two runners lock two files of the same name.
        os.close(descriptor)


def _take(descriptor: int, path: Path, wait: float, notice: Callable[[str, str], None]) -> None:
    import fcntl

    deadline = time.monotonic() + wait
    waited = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                raise NselfError(f"cannot lock `{path}`: {error.strerror}") from error
        left = deadline - time.monotonic()
        if left <= 0:
            raise LockNotAcquired(
                f"another run holds the project's files: {_holder(descriptor)}",
                hint="wait for it to end and run again, or wait longer with `--lock-wait SECONDS`",
                database="unchanged",
            )
        if not waited:
            notice("note", f"waiting up to {wait:g} s for the files: {_holder(descriptor)}")
        waited = True
        time.sleep(min(left, _POLL_SECONDS))


def _sign(descriptor: int) -> None:
    """Write down who holds the lock; only for people, the lock itself is the system's."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": os.uname().nodename, "since": since}
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        found = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {int(found['pid'])} on {found['host']}, since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not said who it is"
