"""One runner at a time on the project's files."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from nself_tasks.discovery import Project
from nself_tasks.errors import LockNotAcquired, NselfError
from nself_tasks.storage import ensure_private, give_to_owner, state_dir

_POLL_SECONDS = 0.1


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
        give_to_owner(path)
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
