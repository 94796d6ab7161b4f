"""`nself` on PATH: our commands are ours, all others are the next install's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from servers_for_tests import Project

OURS = f"#!{sys.executable}\nimport sys\nfrom nself_tasks.cli import main\nsys.exit(main())\n"
THEIRS = """#!/bin/sh
printf '<%s>' theirs "$@"
cat
exit 37
"""


def install(folder: Path, text: str, name: str = "nself") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return program


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return install(tmp_path / "ours", OURS)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    return install(tmp_path / "theirs", THEIRS)


def call(
    project: Project, program: Path | str, path: Sequence[Path], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Call a program with only these installs on PATH, and the system's own folders."""
    folders = [*(str(p.parent) for p in path), "/usr/bin", "/bin"]
    return subprocess.run(
        [program, *arguments],
        cwd=project.root,
        env={**os.environ, "PATH": os.pathsep.join(folders)},
        input="from stdin",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [("migrate", "detect"), ("migrate",), ("migrate", "--help"), ("migrate", "status")]
)
def test_the_subcommands_that_are_ours_are_answered_here(
    project: Project, ours: Path, theirs: Path, arguments: tuple[str, ...]
) -> None:
    result = call(project, ours, [ours, theirs], *arguments)
    assert "<theirs>" not in result.stdout
    assert result.returncode == (1 if "status" in arguments else 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("build",),
        (),
        ("--version",),
        ("db", "migrate", "detect"),
        ("migrate", "firebase", "--from", "x"),
        ("exec", "a b", "", "*", "--", "-x"),
    ],
    ids=str,
)
def test_every_other_command_goes_to_the_next_nself_as_it_is(
    project: Project, ours: Path, theirs: Path, arguments: tuple[str, ...]
) -> None:
    result = call(project, ours, [ours, theirs], *arguments)
    shown = "".join(f"<{a}>" for a in ("theirs", *arguments))
    assert (result.stdout, result.returncode) == (shown + "from stdin", 37)


def test_it_is_found_when_theirs_comes_first_on_path(
    project: Project, ours: Path, theirs: Path
) -> None:
    assert call(project, ours, [theirs, ours], "build").returncode == 37


def test_it_is_found_by_its_name_alone(project: Project, ours: Path, theirs: Path) -> None:
    os_path = os.pathsep.join([str(ours.parent), str(theirs.parent), "/usr/bin", "/bin"])
    result = subprocess.run(
        ["/bin/sh", "-c", "nself build"],
        cwd=project.root,
        env={**os.environ, "PATH": os_path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("<theirs><build>", 37)


def test_without_another_nself_it_ends_with_2(project: Project, ours: Path) -> None:
    result = call(project, ours, [ours], "build")
    assert result.returncode == 2
    assert "no other `nself` is on PATH" in result.stderr


def test_two_installs_of_ours_never_loop(project: Project, ours: Path, tmp_path: Path) -> None:
    second = install(tmp_path / "second", OURS)
    for path in ([ours, second], [second, ours]):
        assert call(project, ours, path, "build").returncode == 2


def test_a_second_install_of_ours_hands_on_to_theirs(
    project: Project, ours: Path, theirs: Path, tmp_path: Path
) -> None:
    second = install(tmp_path / "second", OURS)
    assert call(project, ours, [ours, second, theirs], "build").returncode == 37


def test_a_symlink_to_ours_is_no_other_nself(project: Project, ours: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    link = tmp_path / "linked" / "nself"
    link.symlink_to(ours)
    assert call(project, ours, [link, ours], "build").returncode == 2
    assert call(project, link, [ours, link], "build").returncode == 2


def test_what_cannot_be_executed_is_no_nself(project: Project, ours: Path, tmp_path: Path) -> None:
    (tmp_path / "folder" / "nself").mkdir(parents=True)
    text = install(tmp_path / "text", THEIRS)
    text.chmod(0o644)
    assert call(project, ours, [tmp_path / "folder" / "nself", text], "build").returncode == 2


def test_nself_migrate_as_one_word_is_always_ours(
    project: Project, theirs: Path, tmp_path: Path
) -> None:
    program = install(tmp_path / "ours", OURS, "nself-migrate")
    assert call(project, program, [program, theirs], "detect").returncode == 0
    assert call(project, program, [program, theirs], "build").returncode == 2
