"""SIGTERM and SIGHUP end a run as Ctrl-C does: the statement is cancelled, the lock is let go."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP.

    A KeyboardInterrupt, because that is what makes psycopg cancel the statement in flight: with
    any other exception the server keeps running it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


def _raise(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Turn the two signals into Terminated; one that is ignored (nohup) stays ignored."""
    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
