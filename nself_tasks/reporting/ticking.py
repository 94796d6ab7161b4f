"""Shows that somebody works while nothing can be seen: a line, written over each half second."""

from __future__ import annotations

import threading
import time

from nself_tasks.reporting.progress_line import ProgressLine
from nself_tasks.reporting.terminal import Terminal

_EVERY = 0.5


class Ticking:
    """A progress line that goes on by itself; `reached` says how much there is."""

    def __init__(self, terminal: Terminal) -> None:
        self._line, self._done = ProgressLine(terminal), 0
        self._stop, self._began = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Ticking:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        """End the thread and take the line away."""
        self._stop.set()
        self._thread.join()
        self._line.end()

    def reached(self, done: int) -> None:
        """Say how many characters there are by now."""
        self._done = done

    def _tick(self) -> None:
        while not self._stop.wait(_EVERY):
            self._line.show(self._done, time.monotonic() - self._began)
