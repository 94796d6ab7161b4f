"""File locks (flock): they die with the process that holds them, so a crash leaves none behind.

Python opens files close-on-exec, so no child keeps a lock alive — except where a descriptor is
handed on by purpose: a server holds `server.lock` itself, which tells better than any pid whether
it lives (pids are used again after a reboot, and in containers at once).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

POLL_SECONDS = 0.02


@contextmanager
def held(path: Path, *, exclusive: bool) -> Iterator[int]:
    """Hold a lock, waiting for it; yields the descriptor. The file is made where it is missing."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def held_without_a_trace(path: Path) -> Iterator[None]:
    """Hold a shared lock on a file that is there, without writing; nothing where it is not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def is_last(descriptor: int) -> bool:
    """Turn a shared lock into the exclusive one; false, and the lock is gone, if others hold it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def taken_within(path: Path, seconds: float) -> Iterator[int | None]:
    """Yield the descriptor of an exclusive lock, or None if others keep it for `seconds`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + seconds
        while not (taken := is_last(descriptor)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        yield descriptor if taken else None
    finally:
        os.close(descriptor)


def is_free_within(path: Path, seconds: float) -> bool:
    """Whether nobody holds an exclusive lock, or lets go of it in `seconds`; writes nothing."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            deadline = time.monotonic() + seconds
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return True
                if time.monotonic() >= deadline:
                    return False
                time.sleep(POLL_SECONDS)
        finally:
            os.close(descriptor)
    return True
