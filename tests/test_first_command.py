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
        [sys.executable, ROOT / "examples" / "try_it.py", tmp_path / "library"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DATABASE_URL": "postgresql://x@no/y"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_it_upgrades_puts_back_fails_resumes_and_ends_upgraded(
    walk: subprocess.CompletedProcess[str],
) -> None:
    assert walk.returncode == 0, walk.stdout + walk.stderr
    at = 0
    for passage in (
        "ARTIFACT ",
        "backend/docker-compose.yml ",
        "backend/nginx/sites/reading-room.conf    keep ",
        "16 files to upgrade, 6 pending; nothing was changed",
        "16 files upgraded",
        "6 migrations applied",
        "$ nself migrate detect --strict",
        "(exit code 0)",
        "nothing to do",
        "14 files put back",
        "files are what they were, byte for byte, mode for mode.",
        'relation "member" does not exist (42P01)',
        "The database is as it was before 20260323110000.",
        "stays applied: 20260316180000.",
        "No file of the project was changed by this run.",
        "(exit code 1)",
        "16 files upgraded",
        "1 migration applied",
        "1 migration rolled back",
        "1 migration applied",
        "The library is v2, and 8 of 8 migrations are applied",
    ):
        assert passage in walk.stdout[at:], f"no `{passage}` after {walk.stdout[:at][-300:]}"
        at = walk.stdout.index(passage, at) + len(passage)


def test_no_secret_of_the_project_shows(walk: subprocess.CompletedProcess[str]) -> None:
    assert "not-a-real" not in walk.stdout + walk.stderr


def test_it_is_short_enough_to_read(walk: subprocess.CompletedProcess[str]) -> None:
    assert len(walk.stdout.splitlines()) < 200


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
