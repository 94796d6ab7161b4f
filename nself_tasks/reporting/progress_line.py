"""How far a long step is: one line that is written over on a terminal, a few lines elsewhere."""

from __future__ import annotations

from nself_tasks.reporting.terminal import Terminal, size

_SAY_EVERY = 30.0
"""Seconds between two lines where they cannot be written over, as in the log of a CI job."""


class ProgressLine:
    """Size and time of the step that runs now."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal, self._stream = terminal, terminal.stream
        self._over = self._stream.isatty()
        self._width, self._said = 0, 0.0
        terminal.clear = self._clear

    def show(self, done: int, seconds: float) -> None:
        """Say how many bytes there are after so many seconds."""
        if self._terminal.quiet:
            return
        line = f"  …     {size(done)}, {seconds:.0f} s"
        with self._terminal.lock:
            if self._over:
                self._stream.write("\r" + line.ljust(self._width))
                self._width = len(line)
            elif seconds - self._said >= _SAY_EVERY:
                self._said = seconds
                self._stream.write(line + "\n")
            self._stream.flush()

    def end(self) -> None:
        """Leave the line as if it had never been there."""
        with self._terminal.lock:
            self._clear()

    def _clear(self) -> None:
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0
