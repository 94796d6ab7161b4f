"""Staging is changed without a backup only when somebody says so."""

from __future__ import annotations

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import applied, rows
from terminal_for_tests import at_a_terminal

WITHOUT = ("run", "--skip-backup", "--env", "staging")


@pytest.fixture
def one(project: Project) -> Project:
    project.migration("1", "a", "CREATE TABLE a (x int);", "DROP TABLE a;")
    return project


@pytest.mark.usefixtures("one")
def test_where_nobody_can_be_asked_it_wants_yes(nself: Nself, database: str) -> None:
    refused = nself(*WITHOUT)
    assert refused.code == 2
    assert "needs `--yes`, or a terminal" in refused.err
    assert rows(database, "SELECT to_regclass('a')::text") == [None]
    assert nself(*WITHOUT, "--yes").code == 0


@pytest.mark.parametrize("answer", ["no", ""])
def test_any_other_answer_than_yes_changes_nothing(
    one: Project, database: str, answer: str
) -> None:
    ended, said = at_a_terminal(one.root, database, answer, *WITHOUT)
    assert ended == 1, said
    assert "Go on without a backup in staging?" in said
    assert rows(database, "SELECT to_regclass('a')::text") == [None]


def test_with_a_yes_it_goes_on(one: Project, database: str) -> None:
    ended, said = at_a_terminal(one.root, database, "yes", *WITHOUT)
    assert ended == 0, said
    assert applied(database) == ["1"]


@pytest.mark.usefixtures("one")
def test_in_dev_and_where_nothing_is_to_do_nothing_is_asked(nself: Nself) -> None:
    assert nself("run", "--skip-backup").code == 0
    assert nself("run", "--env", "staging", "--relabel").code == 0
    assert nself(*WITHOUT).code == 0


@pytest.mark.usefixtures("one")
def test_its_plan_says_and_ends_as_the_run_would(nself: Nself) -> None:
    plan, run = (nself(*WITHOUT, *more) for more in (("--dry-run",), ()))
    assert (plan.code, plan.err) == (run.code, run.err)
    shown = nself(*WITHOUT, "--dry-run", "--json").json()["error"]
    assert (shown["code"], shown["database"]) == ("usage", "unchanged")


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize("flags", [(*WITHOUT, "--yes"), ("run", "--env", "staging")])
def test_the_plan_of_what_is_not_asked_is_shown(nself: Nself, flags: tuple[str, ...]) -> None:
    assert nself(*flags, "--dry-run").code == 0


@pytest.mark.usefixtures("one")
def test_the_plan_of_nothing_to_do_is_shown(nself: Nself) -> None:
    assert nself(*WITHOUT, "--yes").code == 0
    assert nself(*WITHOUT, "--dry-run").code == 0


def test_at_a_terminal_the_plan_is_shown_and_nothing_is_asked(one: Project, database: str) -> None:
    ended, said = at_a_terminal(one.root, database, "", *WITHOUT, "--dry-run", until=b"")
    assert ended == 0, said
    assert "Go on without" not in said
