"""Moments of a command that are fixed from outside: right before it changes something on disk.

The interpreter itself tells of every change before it makes it (`sys.addaudithook`). A
`sitecustomize` on PYTHONPATH listens, writes down each one that is below the project, and stops
the process at the one that the test has named; the code under test knows nothing of it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servers_for_tests import Result

LONGEST_WAIT = 30.0
_BELOW, _LOG, _STOP_AT = "MOMENTS_BELOW", "MOMENTS_LOG", "MOMENTS_STOP_AT"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_TWO_PATHS = ("os.rename", "os.link")
_ONE_PATH = ("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod")
_FOLDER = {"os.remove": 1, "os.rmdir": 1, "os.mkdir": 2}
"""Where these events say relative to which open folder their path is."""

Tree = dict[str, tuple[int, bytes | str | None]]


def listen() -> None:
    """Write down every change below the project, and stop before the one that was asked for."""
    below, stop_at = os.environ[_BELOW], os.environ[_STOP_AT]
    log = os.open(os.environ[_LOG], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    count = 0

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        paths = [path for path in _changed(event, arguments) if _inside(path, below)]
        if not paths:
            return
        count += 1
        shown = " ".join(os.path.relpath(path, below) for path in paths)
        moment = f"{event.removeprefix('os.')} {shown}"
        os.write(log, f"{moment}\n".encode())
        if str(count) == stop_at or (not stop_at.isdecimal() and re.search(stop_at, moment)):
            os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(hear)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _changed(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """The paths that an event is about to change; those that it will find changed already not."""
    if event == "open":
        # A number is a file that was opened before.
        opens = not isinstance(arguments[0], int) and isinstance(arguments[2], int)
        return [_path(arguments[0])] if opens and arguments[2] & _WRITES else []
    if event in _TWO_PATHS:
        return [_path(arguments[0]), _path(arguments[1])]
    if event == "os.symlink":
        return [_path(arguments[1])]
    if event not in _ONE_PATH:
        return []
    at = _FOLDER.get(event)
    path = _path(arguments[0], arguments[at] if at else -1)
    # Asked for in vain: the folder that is there already, the draft that has its name by now.
    in_vain = os.path.lexists(path) == (event == "os.mkdir")
    return [] if in_vain else [path]


def _path(given: Any, folder: int = -1) -> str:
    if isinstance(given, int):
        return _opened(given)
    base = _opened(folder) if folder >= 0 else "."
    return os.path.abspath(os.path.join(base, os.fsdecode(given)))  # noqa: PTH100, PTH118


def _opened(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115


@dataclass(frozen=True, slots=True)
class Stopped:
    """A command that stands still right before a change of the disk."""

    process: subprocess.Popen[str]
    moment: str
    """What it is about to do: `rename <draft> <file>`, with paths relative to the project."""

    def killed(self) -> str:
        """Kill it as `kill -9` does, without letting it go on; gives where it died."""
        assert os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        self.process.kill()
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL
        return self.moment

    def told(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal, then let it go on; gives exit code, stdout and stderr."""
        self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)
        out, err = self.process.communicate(timeout=LONGEST_WAIT)
        return self.process.returncode, out, err


@dataclass
class Moments:
    """Starts commands in a project so that they stop at a moment, or count all of them."""

    folder: Path
    """Outside of any project: for the listener and what it writes down."""
    environment: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        places = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
        (self.folder / "sitecustomize.py").write_text(
            f"import sys\nsys.path += {places!r}\nimport moments\nmoments.listen()\n"
        )

    def _start(
        self, root: Path, arguments: tuple[str, ...], stop_at: int | str
    ) -> tuple[subprocess.Popen[str], Path]:
        log = self.folder / f"log-{secrets.token_hex(8)}"
        clone = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            [sys.executable, "-m", "nself_tasks", "migrate", *arguments],
            cwd=root,
            env={
                **os.environ,
                **self.environment,
                "PYTHONPATH": os.pathsep.join([str(self.folder), clone]),
                _BELOW: os.path.realpath(root),
                _LOG: str(log),
                _STOP_AT: str(stop_at),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.running.append(process)
        return process, log

    def of(self, root: Path, *arguments: str, code: int = 0) -> list[str]:
        """All moments of a command that nobody disturbs; it has to end with this exit code."""
        process, log = self._start(root, arguments, 0)
        out, err = process.communicate(timeout=LONGEST_WAIT)
        assert process.returncode == code, out + err
        return log.read_text().splitlines()

    def stopped(self, stop_at: int | str, root: Path, *arguments: str) -> Stopped:
        """Start a command and wait until it stands still: before its change of that number, or
        before the first one that a pattern matches."""
        process, log = self._start(root, arguments, stop_at)
        deadline = time.monotonic() + LONGEST_WAIT
        asked = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
        while (found := os.waitid(os.P_PID, process.pid, asked)) is None:
            assert time.monotonic() < deadline, "it neither stopped nor ended"
            time.sleep(0.002)
        assert found.si_code == os.CLD_STOPPED, f"it ended: {process.communicate()}"
        seen = log.read_text().splitlines()
        assert stop_at == len(seen) or isinstance(stop_at, str)
        return Stopped(process, seen[-1])

    def close(self) -> None:
        """End what a test left standing."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.communicate()


def shop(root: Path) -> Path:
    """A small v1 project: files that change, move away, get other permissions, or are a link."""
    import nginx_projects
    import v1_projects

    early = nginx_projects.early()
    v1_projects.write(
        root,
        {
            ".env": "PROJECT_NAME=shop\nHASURA_ADMIN_SECRET=dev-secret-one\n",
            ".env.prod": "HASURA_ADMIN_SECRET=prod-secret-two\nBASE_DOMAIN=shop.example.org\n",
            ".env.secrets": "# by hand\n",
            "docker-compose.yml": early["docker-compose.yml"],
            "nginx/conf.d/hasura.conf": early["nginx/conf.d/hasura.conf"],
            "shared/nginx.conf": early["nginx/nginx.conf"],
        },
    )
    (root / "nginx/nginx.conf").symlink_to("../shared/nginx.conf")
    return root


def command(root: Path, *arguments: str) -> Result:
    """Run the command in this process: it is not the one that is killed."""
    from servers_for_tests import Result

    from nself_tasks.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*arguments, "--project", str(root)])
    return Result(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def moments(folder: Path, environment: dict[str, str] | None = None) -> Iterator[Moments]:
    """The means to stop commands; what stands still at the end is killed."""
    means = Moments(folder, environment or {})
    try:
        yield means
    finally:
        means.close()


def whole_tree(root: Path) -> Tree:
    """Every file, link and folder of a project with its permissions; our own records left out."""
    from v1_projects import OURS

    found: Tree = {}
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = Path(folder) / name
            shown = path.relative_to(root).as_posix()
            if shown == ".nself" or shown.startswith(OURS):
                continue
            mode = path.lstat().st_mode
            if path.is_symlink():
                found[shown] = (0, str(path.readlink()))
            else:
                found[shown] = (mode, None if path.is_dir() else path.read_bytes())
    return found
