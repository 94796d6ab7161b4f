"""SIGTERM and SIGHUP end a run as Ctrl-C does: the statement is cancelled, the lock is let go."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 2.0
"""Who stops a command sends often more than one signal, and means one: so long after the first,
others do not stop the answer to it. The next one does."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP.

    A KeyboardInterrupt, because that is what makes psycopg cancel the statement in flight: with
    any other exception the server keeps running it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


class _Stops:
    """What is done at a signal."""

    last: float | None = None

    def stop(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self.last is not None and now - self.last < AGAIN_SECONDS:
            return
        self.last = now
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into Terminated; a signal that is ignored (nohup) stays ignored.

    Signals that come soon after one are taken for the same. When a command was stopped, its
    process ends: what still comes then is ignored.
    """
    before, stops = {}, _Stops()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, stops.stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if stops.last is None else signal.SIG_IGN)
