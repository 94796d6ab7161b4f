"""Runs one of libpq's programs to its end, and tells how long it takes; it is ended with us."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nself_tasks.errors import BackupFailed

_LOOK_EVERY = 0.5
_END_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it said on standard error."""

    code: int
    said: str

    @property
    def how(self) -> str:
        """The exit code in words, for a sentence that begins with the program's name."""
        return (
            f"was killed by signal {-self.code}"
            if self.code < 0
            else f"failed with exit code {self.code}"
        )


def run_watched(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    cwd: str | None = None,
    told: Callable[[float], None] = lambda seconds: None,
) -> Ended:
    """Run a program to its end. Raises BackupFailed where it cannot be started.

    `told` is given the seconds that it has taken, about twice a second.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, env=environment, stdin=stdin, stdout=stdout, stderr=said, cwd=cwd
            )
        except OSError as error:
            raise BackupFailed(
                f"`{Path(command[0]).name}` could not be started: {error}", database="unchanged"
            ) from None
        try:
            while True:
                try:
                    process.wait(_LOOK_EVERY)
                    break
                except subprocess.TimeoutExpired:
                    told(time.monotonic() - started)
        finally:
            _end(process)
        said.seek(0)
        words = said.read().decode(errors="replace").strip()
    return Ended(process.returncode, words)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave no program behind when we are stopped ourselves."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_END_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
