"""doit's own commands on the graph: by `nself migrate doit`, and by plain doit with dodo.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from servers_for_tests import Nself, Project

DODO = Path(__file__).parents[2] / "dodo.py"
DOIT = Path(sys.executable).with_name("doit")
PLUGIN = """
from pathlib import Path
Path(__file__).with_name("planted").write_text("was imported")
class Reporter: pass
"""
EVIL_TOML = """
[tool.doit]
dep_file = "hijacked.json"
[tool.doit.plugins.reporter]
evil = "evil_plugin:Reporter"
[tool.doit.plugins.command]
list = "evil_plugin:Reporter"
"""
EVIL_CFG = "[GLOBAL]\ndep_file = hijacked.json\n[REPORTER]\nevil = evil_plugin:Reporter\n"


@pytest.fixture(autouse=True)
def three(project: Project) -> Project:
    for number, name in enumerate("abc", 1):
        project.migration(str(number), name, f"CREATE TABLE {name} (i int);", f"DROP TABLE {name};")
    return project


def applied(url: str) -> list[str]:
    """The versions in the order of their rows; a second row for one version would show."""
    with psycopg.connect(url) as connection:
        there = connection.execute("SELECT to_regclass('public._nself_migrations')").fetchone()
        if there is None or there[0] is None:
            return []
        rows = connection.execute("SELECT version FROM public._nself_migrations ORDER BY id")
        return [row[0] for row in rows]


def plain(project: Project, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run plain doit on the clone's dodo.py in the project."""
    command, *rest = arguments
    return subprocess.run(
        [DOIT, command, "-f", DODO, "-d", ".", *rest],
        cwd=project.root,
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )


def test_list_shows_a_step_for_every_migration_with_its_status(nself: Nself) -> None:
    assert nself("run", "--to", "1", "--skip-backup").code == 0
    listed = nself("doit", "list", "--all", "--status")
    assert listed.code == 0
    assert [line[:17] for line in listed.out.splitlines() if "apply:" in line] == [
        "U migrate:apply:1",
        "R migrate:apply:2",
        "R migrate:apply:3",
    ]


def test_list_works_without_a_database(nself_offline: Nself) -> None:
    listed = nself_offline("doit", "list", "--all")
    assert listed.code == 0
    assert "migrate:apply:3" in listed.out


def test_looking_leaves_nothing_behind(nself: Nself, project: Project, database: str) -> None:
    before = sorted(project.root.rglob("*"))
    assert nself("doit", "list", "--all", "--status").code == 0
    nself("doit", "info", "migrate:apply:1")
    assert sorted(project.root.rglob("*")) == before
    assert applied(database) == []


def test_info_gives_the_reason_in_words(nself: Nself) -> None:
    shown = nself("doit", "info", "migrate:apply:2")
    assert "is not in the history" in shown.out
    assert "migrate:apply:1" in shown.out


def test_run_applies_the_chain_up_to_the_step_with_a_backup(
    nself: Nself, project: Project, database: str
) -> None:
    assert nself("doit", "run", "migrate:apply:2").code == 0
    assert applied(database) == ["1", "2"]
    assert list((project.root / ".nself" / "backup").glob("*/manifest.json"))


def test_run_without_a_step_runs_to_the_goal(nself: Nself, database: str) -> None:
    assert nself("doit", "run").code == 0
    assert applied(database) == ["1", "2", "3"]


def test_an_applied_migration_never_runs_twice(nself: Nself, database: str) -> None:
    assert nself("run", "--skip-backup").code == 0
    for command in (("run",), ("run", "-a"), ("run", "-s", "migrate:apply:2"), ("run", "-sa")):
        assert nself("doit", *command).code == 0, command
        assert applied(database) == ["1", "2", "3"], command


def test_a_gap_is_refused_with_single(nself: Nself, database: str) -> None:
    result = nself("doit", "run", "-s", "migrate:apply:3")
    assert result.code == 1
    assert "3 cannot be applied before 1, which is pending" in result.out + result.err
    assert applied(database) == []


def test_a_gap_further_back_than_the_one_before_is_refused_as_well(
    nself: Nself, project: Project, database: str
) -> None:
    for path in project.migrations.glob("1_*"):
        path.rename(path.with_suffix(".later"))
    assert nself("run", "--to", "2", "--skip-backup").code == 0
    for path in project.migrations.glob("1_*"):
        path.rename(path.with_suffix(".sql"))
    result = nself("doit", "run", "-s", "migrate:apply:3")
    assert result.code == 1
    assert "3 cannot be applied before 1, which is pending" in result.out + result.err
    assert applied(database) == ["2"]


def test_always_execute_writes_no_new_label(nself: Nself, database: str) -> None:
    assert nself("run", "--env", "staging").code == 0
    nself("doit", "run", "-a")
    with psycopg.connect(database) as connection:
        label = connection.execute("SELECT environment FROM public._nself_migration_meta")
        assert label.fetchone() == ("staging",)


def test_the_guards_hold_and_say_what_is_wrong(nself: Nself, project: Project) -> None:
    assert nself("run", "--to", "1", "--skip-backup").code == 0
    project.migration("1", "a", "CREATE TABLE edited (i int);")
    result = nself("doit", "run")
    assert result.code == 1
    assert "1 applied migration and the history do not fit together" in result.out + result.err
    assert "Traceback" not in result.out + result.err


@pytest.mark.parametrize(
    "option",
    [("-n", "2"), ("-n2",), ("-an2",), ("--process=2",), ("--proc", "2"), ("-P", "thread")],
)
def test_parallel_options_are_refused(nself: Nself, database: str, option: tuple[str]) -> None:
    result = nself("doit", "run", *option)
    assert result.code == 2
    assert "one after the other" in result.err
    assert applied(database) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "migrate:history"), 0),
        (("run", "migrate:apply:99"), 2),
        (("run", "--no-such-option"), 2),
        (("nonsense",), 2),
    ],
    ids=str,
)
def test_exit_codes_are_ours(nself: Nself, arguments: tuple[str, ...], code: int) -> None:
    assert nself("doit", *arguments).code == code


def test_a_failed_migration_is_1_where_doit_says_2(nself: Nself, project: Project) -> None:
    project.migration("1", "a", "SELECT 1/0;")
    result = nself("doit", "run")
    assert result.code == 1
    assert "division by zero" in result.out + result.err


def test_plugins_that_the_project_names_are_not_loaded(nself: Nself, project: Project) -> None:
    project.write("evil_plugin.py", PLUGIN)
    project.write("pyproject.toml", EVIL_TOML)
    project.write("doit.cfg", EVIL_CFG)
    # on the import path, so that only the configuration decides
    path = {"PYTHONPATH": str(project.root)}
    assert nself("doit", "list", environment=path).code == 0
    assert nself("doit", "run", environment=path).code == 0
    assert not (project.root / "planted").exists()
    assert not (project.root / "hijacked.json").exists()


def test_plain_doit_lists_and_runs_the_same_graph(project: Project, database: str) -> None:
    listed = plain(project, database, "list", "--all", "--status")
    assert listed.returncode == 0, listed.stderr
    assert "R migrate:apply:3" in listed.stdout
    ran = plain(project, database, "run", "migrate:apply:2")
    assert ran.returncode == 0, ran.stderr
    assert applied(database) == ["1", "2"]
    again = plain(project, database, "run", "to=2")
    assert again.returncode == 0, again.stderr
    assert applied(database) == ["1", "2"]
    assert list((project.root / ".nself" / "migrate").glob("journal-*.jsonl"))


def test_plain_doit_has_the_guards(project: Project, database: str) -> None:
    assert plain(project, database, "run").returncode == 0
    assert plain(project, database, "run", "-n", "2").returncode == 2
    project.migration("1", "a", "CREATE TABLE edited (i int);")
    result = plain(project, database, "run")
    assert result.returncode == 1
    assert "1 applied migration and the history do not fit together" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_plain_doit_says_in_words_that_no_database_answers(project: Project) -> None:
    result = plain(project, "postgresql://nobody@127.0.0.1:1/none", "run")
    assert result.returncode == 1
    assert result.stderr.startswith("error: cannot connect")


def test_in_the_clone_plain_doit_lists_the_checks(tmp_path: Path) -> None:
    listed = subprocess.run(
        [DOIT, "list", "--db-file", tmp_path / "record"],
        cwd=DODO.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        "format",
        "lint",
        "tests",
        "types",
    ]
