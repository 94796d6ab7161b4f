"""A command at a terminal: what it says there, with an answer typed to its question."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def at_a_terminal(
    root: Path,
    database: str,
    answer: str,
    *command: str,
    until: bytes = b"[yes/no]",
    when_asked: Callable[[bytes], None] = lambda said: None,
) -> tuple[int, str]:
    """Run a command whose stdin and stderr are a terminal; gives its exit code and what it said.

    `when_asked` is called with what was said before the answer is typed, once `until` was said.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nself_tasks", "migrate", *command],
        cwd=root,
        env={**os.environ, "DATABASE_URL": database},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while until not in said:
        said += os.read(ours, 4096)
    when_asked(said)
    os.write(ours, f"{answer}\n".encode())
    try:
        while more := os.read(ours, 4096):
            said += more
    except OSError:
        # The other end is closed when the command has ended.
        pass
    os.close(ours)
    return process.wait(30), said.decode()
