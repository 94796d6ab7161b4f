"""Which new files git would pick up: what is said is what git itself says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nself_tasks.gitignore import picked_up

NAMES = (".env.secrets", ".env.local")
PATTERNS = (
    *(".env", ".env*", ".env.*", "/.env.secrets", "*.secrets", "**/.env.local", "backend/"),
    *("backend/*", "backend/**", "!.env.local", "!/.env.secrets", "!backend/", "/backend/.env.*"),
    *(
        "*",
        "!*",
        ".env.[ls]*",
        ".env.[!l]*",
        ".env.[^a-k]*",
        "\\.env.local",
        "?env.local",
        "# .env*",
    ),
    *(
        ".env.local ",
        ".env.local\\ ",
        "env.local",
        ".env.local/",
        "a/**/b",
        "**",
        "/",
        "!",
        "[z-a]*",
    ),
    *("backend/.env.local", "./.env.local", "\\", "[", ".env.local\r", "sub/../.env.local"),
)


def repository(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / "backend").mkdir()
    return folder


def staged_by_git(top: Path, root: Path) -> frozenset[str]:
    """Those of the names that git itself does not ignore."""
    found = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", *NAMES],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert found.returncode in (0, 1), found.stderr
    return frozenset(NAMES) - frozenset(found.stdout.splitlines())


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("ignored"))


lines = st.lists(st.sampled_from(PATTERNS), max_size=4)


@settings(max_examples=150, deadline=None)
@given(outer=lines, inner=lines, exclude=lines)
def test_the_answer_is_git_s(
    top: Path, outer: list[str], inner: list[str], exclude: list[str]
) -> None:
    (top / ".gitignore").write_text("\n".join(outer))
    (top / "backend/.gitignore").write_text("\n".join(inner) + "\n")
    (top / ".git/info/exclude").write_text("\n".join(exclude))
    for root in (top, top / "backend"):
        assert picked_up(root, NAMES) == staged_by_git(top, root)


def test_outside_of_git_nothing_is_picked_up(tmp_path: Path) -> None:
    assert picked_up(tmp_path, NAMES) == frozenset()


def test_in_a_worktree_a_file_leads_to_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere\n")
    (tmp_path / ".gitignore").write_text(".env.local\n")
    assert picked_up(tmp_path, NAMES) == {".env.secrets"}


def test_an_ignore_file_that_cannot_be_read_ignores_nothing(tmp_path: Path) -> None:
    repository(tmp_path)
    (tmp_path / ".gitignore").write_bytes(b".env*\0")
    assert picked_up(tmp_path, NAMES) == frozenset(NAMES)
