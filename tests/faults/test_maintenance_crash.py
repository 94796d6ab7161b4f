"""`nself maintenance`, stopped before each change that it makes on disk: all of it or nothing."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import v1_projects
from moments import Moments, Stopped, Tree, moments, whole_tree
from servers_for_tests import Nself

SNIPPET = "nginx/conf.d/0-nself-maintenance.conf"
STOPS: dict[str, Callable[[Stopped], object]] = {
    "SIGKILL": Stopped.killed,
    "SIGTERM": lambda stopped: stopped.told(signal.SIGTERM),
    "Ctrl-C": lambda stopped: stopped.told(signal.SIGINT),
}


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Moments]:
    """No `docker` is on PATH, so no nginx can be told: each command ends with 1."""
    with moments(tmp_path / "listener", {"PATH": str(tmp_path / "empty")}) as found:
        yield found


@pytest.fixture
def nself(tmp_path: Path) -> Callable[[Path, str], int]:
    there = {"PATH": str(tmp_path / "empty")}
    return lambda root, action: Nself(root, there)("maintenance", action).code


def seen(root: Path) -> Tree:
    """The project, without the time in our file."""
    return {
        name: (mode, re.sub(rb"\d{4}-\d\d-\d\dT[^ \";]*", b"T", content))
        if isinstance(content, bytes)
        else (mode, content)
        for name, (mode, content) in whole_tree(root).items()
    }


@pytest.mark.parametrize("how", STOPS)
@pytest.mark.parametrize("action", ["enable", "disable"])
def test_stopped_at_any_change_the_file_is_whole_or_gone_and_the_same_command_heals_it(
    action: str,
    how: str,
    tmp_path: Path,
    means: Moments,
    nself: Callable[[Path, str], int],
) -> None:
    start = v1_projects.write(tmp_path / "start")
    if action == "disable":
        assert nself(start, "enable") == 1
    done = Path(shutil.copytree(start, tmp_path / "done", symlinks=True))
    count = len(means.of(done, "maintenance", action, code=1))
    assert count > 1
    old, new = seen(start), seen(done)
    assert old != new
    for number in range(1, count + 1):
        root = Path(shutil.copytree(start, tmp_path / f"at-{number}", symlinks=True))
        STOPS[how](means.stopped(number, root, "maintenance", action))
        assert seen(root).get(SNIPPET) in (old.get(SNIPPET), new.get(SNIPPET)), number
        nself(root, action)
        assert seen(root) == new, number
