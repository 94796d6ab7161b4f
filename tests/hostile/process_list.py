"""Looks at the command lines of all processes, again and again, while something runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

OFTEN = 0.001
"""Seconds between two looks: pg_dump lives for a few hundredths."""


@dataclass
class Seen:
    """What stood in the process list."""

    command_lines: set[bytes] = field(default_factory=set)
    looks: int = 0

    def look(self) -> None:
        """Look at every process once."""
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                self.command_lines.add(process.read_bytes())
        self.looks += 1


@contextmanager
def watched() -> Iterator[Seen]:
    """Look from the beginning to the end of the block."""
    seen, ended = Seen(), threading.Event()

    def watch() -> None:
        while not ended.wait(OFTEN):
            seen.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
