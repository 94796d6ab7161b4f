"""A question to the person at the terminal, and whether there is one to ask."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from nself_tasks.secrets import mask

if TYPE_CHECKING:
    from nself_tasks.reporting.terminal import Terminal


def somebody_answers(stream: TextIO) -> bool:
    """Whether a person can be asked: both what we say and what is typed go over a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and stream.isatty()


def confirm(terminal: Terminal, text: str) -> bool | None:
    """Give whether the person at the terminal says yes; None where nobody is there to be asked.

    Standard input and standard error both have to be a terminal: a pipe answers by accident.
    """
    if not somebody_answers(terminal.stream):
        return None
    terminal.stream.write(f"{mask(text, terminal.secrets)} [yes/no] ")
    terminal.stream.flush()
    return sys.stdin.readline().strip().lower() in ("yes", "y")
