"""Every refusal in words and in JSON: invalid arguments are exit 2, the state of things exit 1."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import rows

USAGE = {
    "an unknown flag": (["run", "--froce"], "unrecognized arguments: --froce"),
    "an unknown command": (["rnu"], "invalid choice: 'rnu'"),
    "a bad --to": (["run", "--to", "latest"], "argument --to: "),
    "a negative --to": (["rollback", "--to=-1"], "argument --to: "),
    "a bad --steps": (["rollback", "--steps", "two"], "argument --steps: `two` is not a number"),
    "no --steps": (["rollback", "--steps", "0"], "argument --steps: `0` is not a number"),
    "--steps with --to": (["rollback", "--steps", "1", "--to", "1"], "`--steps` and `--to`"),
    "a bad --lock-wait": (["run", "--lock-wait", "soon"], "argument --lock-wait: `soon`"),
    "--sql alone": (["run", "--sql"], "`--sql` goes with `--dry-run`"),
    "prod without backup": (["run", "--env", "prod", "--skip-backup"], "`--skip-backup` is for"),
    "an unknown environment": (["run", "--env", "PROD!"], "is no name of an environment"),
    "no project": (["run", "--project", "/"], "/"),
    "a bad URL": (["run", "--database-url", "mysql://x/y"], "mysql"),
}


@pytest.mark.parametrize("what", USAGE)
def test_invalid_arguments_exit_2_in_words_and_in_json(
    project: Project, nself: Nself, database: str, what: str
) -> None:
    arguments, words = USAGE[what]
    project.migration("1", "a", "SELECT 1;")
    result = nself(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert words in result.err
    assert "\nhint: " in result.err
    found = nself(*arguments, "--json")
    error = found.json()["error"]
    assert (found.code, found.json()["exit_code"], error["code"]) == (2, 2, "usage")
    assert words in error["message"]
    assert set(error) == {"code", "message", "hint", "detail", "problems", "facts", "database"}
    assert rows(database, "SELECT to_regclass('public._nself_migrations')") == [None]


def test_outside_of_a_project_it_says_so(nself: Nself, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    result = nself("run", "--project", str(outside), "--json")
    assert (result.code, result.json()["error"]["code"]) == (2, "usage")
    assert "outside" in result.json()["error"]["message"]


def test_every_problem_of_the_folder_is_one_error(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", "SELECT 1;")
    project.migration("01", "twin", "SELECT 1;")
    project.migration("2", "empty", "-- nothing\n")
    project.write("backend/migrations/readme.sql", "SELECT 1;")
    project.write("backend/migrations/9_alone.down.sql", "SELECT 1;")
    (project.migrations / "3_binary.sql").write_bytes(b"SELECT '\xff';")
    for command in (["run"], ["run", "--dry-run"], ["status"], ["graph"]):
        result = nself(*command, "--json")
        error = result.json()["error"]
        assert (result.code, error["code"]) == (1, "input")
        named = " ".join(str(p["path"]) + p["message"] for p in error["problems"])
        for name in ("twin", "2_empty", "readme.sql", "9_alone.down.sql", "3_binary"):
            assert name in named
    assert rows(database, "SELECT to_regclass('public._nself_migrations')") == [None]


def test_a_failure_goes_to_stderr_and_leaves_stdout_empty(project: Project, nself: Nself) -> None:
    project.migration("1", "a", "SELECT nothing;")
    result = nself("run", "--skip-backup")
    assert (result.code, result.out) == (1, "")
    assert "error: " in result.err


def test_quiet_still_shows_warnings_and_errors(project: Project, nself: Nself) -> None:
    project.migration("1", "a", "DO $$ BEGIN RAISE NOTICE 'hm'; RAISE WARNING 'oh'; END $$;")
    project.migration("2", "b", "SELECT nothing;")
    result = nself("run", "--skip-backup", "--quiet")
    assert "warning: server WARNING: oh" in result.err
    assert "hm" not in result.err
    assert "error: backend/migrations/2_b.sql:1:8:" in result.err


def test_the_notes_are_in_the_json_as_well(project: Project, nself: Nself) -> None:
    project.migration("1", "a", "DO $$ BEGIN RAISE WARNING 'oh'; END $$;")
    messages = nself("run", "--skip-backup", "--json").json()["messages"]
    assert {"level": "warning", "text": "server WARNING: oh"} in messages


def test_without_a_migrations_folder_neither_the_database_is_asked_nor_dumped(
    project: Project, nself: Nself
) -> None:
    project.migrations.rmdir()
    environment = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    result = nself("run", environment=environment)
    assert (result.code, result.out) == (
        0,
        "no migrations folder: the database was not asked, nothing to do\n",
    )
