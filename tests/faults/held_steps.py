"""A command that stands still at the very beginning of a step, to be hit there from outside.

A `sitecustomize` on PYTHONPATH reads along what the command says on stderr and stops the process
with the line that a step begins; the code under test knows nothing of it. It also makes the next
change of the project's disk fail with EIO once a file asks for that.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moments

LONGEST_WAIT = 60.0
_STEP, _BELOW, _BREAK = "HELD_STEP", "HELD_BELOW", "HELD_BREAK"


class ReadAlong:
    """Stands in for stderr: passes all on, and stops this process when a step begins."""

    def __init__(self, real: Any, step: str) -> None:
        self._real, self._begins = real, re.compile(rf" +… +{re.escape(step)}  ")
        self._held = not step

    def write(self, text: str) -> int:
        written = int(self._real.write(text))
        if not self._held and self._begins.match(text):
            self._held = True
            self._real.flush()
            os.kill(os.getpid(), signal.SIGSTOP)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def listen() -> None:
    """What the command's interpreter does first."""
    sys.stderr = ReadAlong(sys.stderr, os.environ.get(_STEP, ""))
    below, flag = os.environ[_BELOW], os.environ[_BREAK]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        changed = moments._changed(event, arguments)
        if any(moments._inside(path, below) for path in changed) and os.path.exists(flag):  # noqa: PTH110
            os.unlink(flag)  # noqa: PTH108
            raise OSError(errno.EIO, os.strerror(errno.EIO), changed[0])

    sys.addaudithook(hear)


class Ended(AssertionError):
    """The command came to its end, and never to the step."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        out, err = process.communicate()
        super().__init__(f"it ended with {process.returncode}: {out}{err}")
        self.code, self.said = process.returncode, out + err


@dataclass
class Held:
    """A command that stands still where a step begins."""

    process: subprocess.Popen[str]
    flag: Path

    def break_the_disk(self) -> None:
        """The next change of the project fails with EIO."""
        self.flag.touch()

    def go_on(self) -> tuple[int, str, str]:
        """Let it go on; gives exit code, stdout and stderr."""
        self.process.send_signal(signal.SIGCONT)
        out, err = self.process.communicate(timeout=LONGEST_WAIT)
        self.flag.unlink(missing_ok=True)
        return self.process.returncode, out, err

    def kill(self) -> tuple[int, str, str]:
        """Kill it where it stands."""
        self.process.kill()
        out, err = self.process.communicate()
        return self.process.returncode, out, err


def hold(step: str, root: Path, folder: Path, environment: dict[str, str], *command: str) -> Held:
    """Start a command and wait until it stands still where a step begins.

    `folder` lies outside of the project, for the listener.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.path += {places!r}\nimport held_steps\nheld_steps.listen()\n"
    )
    flag = folder / "break"
    clone = str(Path(__file__).parents[2])
    watched = {_STEP: step, _BELOW: os.path.realpath(root), _BREAK: str(flag)}
    path = {"PYTHONPATH": os.pathsep.join([str(folder), clone])}
    process = subprocess.Popen(
        [sys.executable, "-m", "nself_tasks", "migrate", *command],
        cwd=root,
        env={**os.environ, **environment, **watched, **path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    deadline = time.monotonic() + LONGEST_WAIT
    asked = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (found := os.waitid(os.P_PID, process.pid, asked)) is None:
        assert time.monotonic() < deadline, f"it never came to {step}"
        time.sleep(0.002)
    if found.si_code != os.CLD_STOPPED:
        raise Ended(process)
    return Held(process, flag)
