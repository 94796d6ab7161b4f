"""`--from`, `--edit`, what contradicts what, and how a draft looks on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from model_for_tests import Model, answers, is_slow
from servers_for_tests import Nself, Project

from nself_tasks.reporting.generate_text import highlighted

UP = "ALTER TABLE users ADD COLUMN note text DEFAULT 'new'; -- for support"
GOOD = answers(UP, "ALTER TABLE users DROP COLUMN note;")


def up_file(project: Project) -> Path:
    (path,) = (p for p in project.migrations.glob("*.sql") if p.name.endswith("_add_note.sql"))
    return path


def editor(folder: Path, script: str) -> str:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_long_description_comes_from_a_file(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [GOOD]
    text = "Support writes notes.\n\nEvery user has one, of any length.\n"
    with_users.write("wish.md", text)
    assert drafting("generate", "--from", "wish.md").code == 0
    assert text.strip() in model.said_to_it(1)
    written = up_file(with_users).read_text()
    assert "\n-- Draft: Support writes notes. Every user has one," in written


def test_a_description_comes_from_standard_input(drafting: Nself, model: Model) -> None:
    model.plays = [GOOD]
    assert drafting("generate", "--from", "-", stdin="add a note to users").code == 0
    assert "add a note to users" in model.said_to_it(1)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("add", "--from", "wish.md"),
        ("--from", "missing.md"),
        ("--from", "latin1.md"),
        ("--from", "large.md"),
        ("add", "--rounds", "0"),
        ("add", "--rounds", "eleven"),
        ("add", "--no-ai", "--show-prompt"),
        ("add", "--no-ai", "--keep-unproven"),
        (" ",),
        ("add " * 6000,),
    ],
)
def test_what_means_nothing_is_a_usage_error(
    drafting: Nself, model: Model, with_users: Project, arguments: tuple[str, ...]
) -> None:
    with_users.write("wish.md", "x")
    (with_users.root / "latin1.md").write_bytes(b"\xe9t\xe9")
    with_users.write("large.md", "x" * 100_001)
    result = drafting("generate", *arguments)
    assert (result.code, model.requests) == (2, [])
    assert len(list(with_users.migrations.iterdir())) == 2


def test_the_editor_gets_both_files_and_its_edits_stay(
    drafting: Nself, model: Model, with_users: Project, tmp_path: Path
) -> None:
    model.plays = [GOOD]
    script = f'echo "$@" > {tmp_path}/seen; echo "-- by hand" >> "$1"; echo drawn'
    result = drafting(
        "generate", "add", "--edit", "--json", environment={"EDITOR": editor(tmp_path, script)}
    )
    assert result.code == 0
    assert result.json()["draft"]["rounds"] == 1
    assert up_file(with_users).read_text().endswith("-- by hand\n")
    assert len((tmp_path / "seen").read_text().split()) == 2


def test_no_editor_is_a_warning(drafting: Nself, model: Model) -> None:
    model.plays = [GOOD]
    result = drafting("generate", "add", "--edit", environment={"EDITOR": "", "VISUAL": ""})
    assert result.code == 0
    assert "neither VISUAL nor EDITOR" in result.err


def test_the_editor_works_for_empty_files_too(
    nself_offline: Nself, project: Project, tmp_path: Path
) -> None:
    environment = {"VISUAL": editor(tmp_path, 'echo "SELECT 1;" >> "$1"')}
    assert nself_offline("generate", "--no-ai", "x", "--edit", environment=environment).code == 0
    texts = [path.read_text() for path in project.migrations.glob("*_x.sql")]
    assert texts == ["-- x\n\nSELECT 1;\n"]


def test_edited_after_its_proof_is_said(proving: Nself, model: Model, tmp_path: Path) -> None:
    model.plays = [GOOD]
    environment = {"VISUAL": editor(tmp_path, 'echo "-- x" >> "$1"')}
    result = proving("generate", "add", "--edit", environment=environment)
    assert "what you have edited is not what was proven" in result.err


def test_the_sql_is_shown_highlighted_on_a_terminal(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [is_slow(GOOD, 1.2)]
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in drafting.environment.items() if k != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "nself_tasks", "migrate", "generate", "add a note"],
        cwd=with_users.root,
        env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:
        pass
    os.close(ours)
    assert process.wait(20) == 0
    shown = said.decode().replace("\r\n", "\n")
    assert "\x1b[1mALTER\x1b[0m \x1b[1mTABLE\x1b[0m users" in shown
    assert "\x1b[32m'new'\x1b[0m" in shown
    assert "\x1b[2m-- for support\x1b[0m" in shown
    assert "→ Created: backend/migrations/" in shown
    assert "\r  …     0 B, 1 s" in said.decode()


def test_elsewhere_only_the_names_are_printed(drafting: Nself, model: Model) -> None:
    model.plays = [GOOD]
    lines = drafting("generate", "add a note").out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "→ Created",
        "→ Created",
        "→ AI draft written — review before running nself migrate run",
    ]


@pytest.mark.parametrize("sql", ["", "SELECT 'it''s'", "/* a\nb */ x", "-- only", "a 'open"])
def test_highlighting_changes_no_letter(sql: str) -> None:
    painted = highlighted(sql, color=True)
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted == sql
