"""The README's first command does what the README says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import servers_for_tests as servers

from nself_tasks.database.servers.binaries import from_wheel

ROOT = Path(__file__).parents[1]


@pytest.fixture
def walk(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The walk that the first command ends with, as a process, in a folder of its own."""
    if not from_wheel():
        pytest.skip(f"no embedded wheel {servers.APT}")
    return subprocess.run(
        [sys.executable, ROOT / "examples" / "try_it.py", tmp_path / "shop"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DATABASE_URL": "postgresql://x@no/y"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_it_plans_applies_fails_resumes_rolls_back_and_ends_migrated(
    walk: subprocess.CompletedProcess[str],
) -> None:
    assert walk.returncode == 0, walk.stdout + walk.stderr
    at = 0
    for passage in (
        "10 pending; nothing was changed",
        "10 migrations applied",
        'relation "book" does not exist (42P01)',
        "The database is as it was before 20260323110000.",
        "stays applied: 20260316180000.",
        "(exit code 1)",
        "1 migration applied",
        "2 migrations rolled back",
        "2 migrations applied",
        "12 applied",
        "The bookshop is migrated: 12 of 12 migrations are applied",
    ):
        assert passage in walk.stdout[at:], f"no `{passage}` after {walk.stdout[:at][-300:]}"
        at = walk.stdout.index(passage, at) + len(passage)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    walk = subprocess.run(
        [sys.executable, ROOT / "examples" / "try_it.py", tmp_path],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert walk.returncode == 1
    assert "is there already" in walk.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
