"""Whose database it is: the label of the first run, and what it forbids later."""

from __future__ import annotations

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import applied, execute, rows

LABEL = "SELECT project, environment FROM public._nself_migration_meta"


@pytest.fixture
def labelled(project: Project, nself: Nself) -> Project:
    """A project whose database was first run in dev, with another migration pending."""
    project.migration("1", "a", "CREATE TABLE a (id int);", "DROP TABLE a;")
    assert nself("run", "--skip-backup").code == 0
    project.migration("2", "b", "CREATE TABLE b (id int);", "DROP TABLE b;")
    return project


def relabel(database: str, environment: str) -> None:
    execute(database, f"UPDATE public._nself_migration_meta SET environment = '{environment}'")


@pytest.mark.usefixtures("labelled")
def test_the_first_run_writes_project_and_environment(database: str) -> None:
    assert rows(database, LABEL) == [("demo", "dev")]


@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize(("label", "chosen"), [("dev", "prod"), ("prod", "dev")])
@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["rollback"]])
def test_another_environment_than_the_label_is_refused(
    nself: Nself, database: str, label: str, chosen: str, command: list[str]
) -> None:
    relabel(database, label)
    result = nself(*command, "--env", chosen, "--json")
    error = result.json()["error"]
    assert (result.code, error["code"], error["database"]) == (1, "guard", "unchanged")
    assert error["message"] == (
        f"this database is labelled {label}, the chosen environment is {chosen} (--env)"
    )
    assert "`--relabel` writes the new label" in error["hint"]
    assert applied(database) == ["1"]


@pytest.mark.usefixtures("labelled")
def test_status_shows_another_environments_database_with_a_warning(nself: Nself) -> None:
    result = nself("status", "--env", "prod")
    assert result.code == 0
    assert "warning: the database is labelled dev, the environment is prod" in result.err


@pytest.mark.usefixtures("labelled")
def test_where_no_environment_was_named_the_prod_label_brings_prods_guards(
    nself: Nself, database: str
) -> None:
    relabel(database, "prod")
    result = nself("run", "--skip-backup", "--json")
    assert (result.code, result.json()["error"]["code"]) == (2, "usage")
    assert (
        "`--skip-backup` is for dev, and this is prod (the database's label)"
        in result.json()["error"]["message"]
    )
    assert applied(database) == ["1"]
    assert nself("rollback", "--skip-backup").code == 2


def test_prods_label_refuses_what_is_out_of_order(
    labelled: Project, nself: Nself, database: str
) -> None:
    relabel(database, "prod")
    labelled.migration("0", "late", "SELECT 1;")
    result = nself("run")
    assert result.code == 1
    assert "1 pending migration is out of order" in result.err


@pytest.mark.usefixtures("labelled")
def test_with_a_backup_the_run_on_a_prod_label_goes_on_and_says_whose_guards_hold(
    nself: Nself, database: str
) -> None:
    relabel(database, "prod")
    result = nself("run", "--json")
    found = result.json()
    assert (result.code, found["environment"]) == (0, "prod")
    assert found["backup"]
    assert "note: this database is labelled prod: its guards hold" in result.err


@pytest.mark.usefixtures("labelled")
def test_relabel_writes_the_new_label_with_the_next_migration(nself: Nself, database: str) -> None:
    assert nself("run", "--env", "prod", "--relabel").code == 0
    assert rows(database, LABEL) == [("demo", "prod")]
    assert nself("run", "--env", "dev").code == 1


@pytest.mark.parametrize("atomic", [[], ["--atomic"]])
def test_relabel_works_when_nothing_is_pending(
    labelled: Project, nself: Nself, database: str, atomic: list[str]
) -> None:
    assert nself("run", "--skip-backup").code == 0
    assert nself("run", "--env", "staging", "--relabel", *atomic).code == 0
    assert rows(database, LABEL) == [("demo", "staging")]


@pytest.mark.usefixtures("labelled")
def test_relabel_without_a_named_environment_is_a_usage_error(nself: Nself, database: str) -> None:
    result = nself("run", "--relabel")
    assert result.code == 2
    assert "--relabel --env dev|staging|prod" in result.err
    assert rows(database, LABEL) == [("demo", "dev")]


@pytest.mark.usefixtures("labelled")
def test_a_dev_flag_does_not_take_prods_guards_away_while_relabelling(
    nself: Nself, database: str
) -> None:
    relabel(database, "prod")
    assert nself("run", "--env", "dev", "--relabel", "--skip-backup").code == 2
    assert rows(database, LABEL) == [("demo", "prod")]


def test_the_database_of_another_project_is_refused(
    labelled: Project, nself: Nself, database: str
) -> None:
    labelled.write(".env", "PROJECT_NAME=other\n")
    result = nself("run", "--skip-backup")
    assert result.code == 1
    assert "this database belongs to the project `demo`, this is `other`" in result.err
    assert applied(database) == ["1"]
    assert nself("run", "--skip-backup", "--env", "dev", "--relabel").code == 0
    assert rows(database, LABEL) == [("other", "dev")]


@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize("command", ["run", "rollback", "status"])
def test_a_history_of_a_newer_format_is_refused(nself: Nself, database: str, command: str) -> None:
    execute(database, "UPDATE public._nself_migration_meta SET format_version = 99")
    result = nself(command)
    assert result.code == 1
    assert "the history of this database has format 99" in result.err
    assert "hint: upgrade `nself-migrate`" in result.err


def test_a_table_of_another_program_with_our_name_is_refused(
    project: Project, nself: Nself, database: str
) -> None:
    execute(database, "CREATE TABLE public._nself_migrations (id int)")
    project.migration("1", "a", "SELECT 1;")
    result = nself("run", "--skip-backup")
    assert result.code == 1
    assert "this is not a history that `nself migrate` wrote" in result.err


@pytest.mark.parametrize("command", ["run", "rollback"])
def test_prod_by_its_flag_forbids_to_skip_the_backup(
    project: Project, nself: Nself, command: str
) -> None:
    project.migration("1", "a", "SELECT 1;")
    result = nself(command, "--env", "prod", "--skip-backup", "--json")
    assert (result.code, result.json()["error"]["code"]) == (2, "usage")


def test_staging_needs_a_yes_to_skip_the_backup(project: Project, nself: Nself) -> None:
    project.migration("1", "a", "SELECT 1;")
    assert nself("run", "--env", "staging", "--skip-backup").code == 2
    assert nself("run", "--env", "staging", "--skip-backup", "--yes").code == 0
