"""Talk while a command works: notes, warnings and steps as lines on stderr."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from nself_tasks.model import Message
from nself_tasks.reporting.harmless import harmless
from nself_tasks.secrets import mask

_COLORS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}


def paint(text: str, color: str, *, enabled: bool) -> str:
    """Give the text in a colour, or as it is."""
    return f"\033[{_COLORS[color]}m{text}\033[0m" if enabled and text else text


class Terminal:
    """Prints lines as things happen, and keeps the notes for the report.

    Notes may come from the thread that watches for locks, so each line is one write under a lock.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        verbose: bool = False,
        color: bool = False,
    ) -> None:
        self.stream = stream or sys.stderr
        self.quiet, self.verbose, self.color = quiet, verbose, color
        self.messages: list[Message] = []
        self.secrets: tuple[str, ...] = ()
        """Values that must not be shown, from the project's env files and the database URL."""
        self.backups = ".nself/backup"
        """The folder of backups, as the paths of the project are shown."""
        self.lock = threading.Lock()
        """Held while anything is written."""
        self.clear: Callable[[], None] = lambda: None
        """Takes a line away that is written over; called under the lock, before another line."""

    def notice(self, level: str, text: str) -> None:
        """Say a note or a warning now; a warning also when quiet."""
        text = mask(text, self.secrets)
        self.messages.append(Message(level, text))
        if self.quiet and level != "warning":
            return
        shown = paint("warning:", "yellow", enabled=self.color) if level == "warning" else "note:"
        self._write(f"{shown} {text}")

    def event(self, event: dict[str, Any]) -> None:
        """Say that a step began or ended."""
        if self.quiet:
            return
        step, status = event.get("step", ""), event.get("status", "")
        if event["event"] == "begin" and self.verbose:
            self._write(paint(f"  …     {step}  {event['title']}", "dim", enabled=self.color))
        if event["event"] != "end" or (status in ("up-to-date", "checked") and not self.verbose):
            return
        if step.startswith("migrate:stage:") and status == "done" and not self.verbose:
            # What counts is that the file is installed, and that is said.
            return
        color = {"failed": "red", "done": "green"}.get(status, "dim")
        label = paint(f"{status:<10}", color, enabled=self.color)
        took = f"{event['seconds']:.2f} s{_extra(event, self.backups)}"
        self._write(f"{label} {step}  {event['title']}  {took}")

    def _write(self, line: str) -> None:
        with self.lock:
            self.clear()
            self.stream.write(harmless(line, color=self.color) + "\n")
            self.stream.flush()


def _extra(event: dict[str, Any], backups: str) -> str:
    values = event.get("values") or {}
    if "freed" in values:
        return f"  {size(values['freed'])} freed"
    if "backup" in values and "bytes" not in values:
        return f"  {backups}/{values['backup']}"
    if "backup" in values:
        return f"  {backups}/{values['backup']}, {size(values['bytes'])}, {values['tool']}"
    return ""


def size(number: int) -> str:
    """Give a number of bytes as people read it."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{number} B"
