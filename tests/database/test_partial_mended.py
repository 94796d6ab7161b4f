"""A migration that failed outside a transaction, and was mended into one that needs none."""

from __future__ import annotations

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import applied, execute, indexes, rows, tables

ALONE = "CREATE INDEX CONCURRENTLY t_a ON t (nope);"
PLAIN = "CREATE INDEX t_a ON t (a);"
BEGUN = "CREATE TABLE first (id int);\nSET search_path = shop, public;\n"
TWICE = "INSERT INTO t VALUES (1), (1);\nCREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);\n"


@pytest.fixture(autouse=True)
def table(database: str) -> None:
    execute(database, "CREATE TABLE t (a int)", "CREATE SCHEMA shop")


def fails(nself: Nself, *arguments: str) -> dict[str, object]:
    """What a command says that is to fail in the database."""
    result = nself(*arguments, "--skip-backup", "--json")
    assert result.code == 1, result.out
    return result.json()


def test_where_nothing_has_run_the_database_is_as_it_was(project: Project, nself: Nself) -> None:
    project.migration("1", "index", ALONE)
    said = fails(nself, "run")
    assert (said["database"], said["state"]) == (
        "unchanged",
        "The database is as it was before 1.",
    )
    states = [m["state"] for m in nself("status", "--json").json()["migrations"]]
    assert states == ["pending"]


def test_the_mended_one_runs_and_is_recorded_once(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "index", ALONE)
    fails(nself, "run")
    project.migration("1", "index", PLAIN)
    result = nself("run", "--skip-backup")
    assert result.code == 0, result.err
    assert (indexes(database), applied(database)) == ({"t_a": True}, ["1"])
    recorded = rows(database, "SELECT version, state, direction FROM public._nself_migrations")
    assert recorded == [("1", "applied", "up")]


def test_what_was_recorded_is_the_text_that_ran(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "index", ALONE)
    fails(nself, "run")
    project.migration("1", "index", PLAIN)
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT up_sql FROM public._nself_migration_sql") == [PLAIN]
    assert nself("status", "--strict").code == 0


def test_the_rest_of_a_partial_one_runs_in_one_transaction_after_its_settings(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "index", BEGUN + TWICE)
    assert fails(nself, "run")["database"] == "partial"
    rest = "SET LOCAL work_mem = '7MB';\nCREATE TABLE seen AS SELECT current_setting('work_mem');\n"
    mended = BEGUN + TWICE.replace("UNIQUE INDEX CONCURRENTLY", "INDEX") + rest
    project.migration("1", "index", mended)
    result = nself("run", "--skip-backup")
    assert (result.code, "1: resumes after statement 3" in result.err) == (0, True), result.err
    assert rows(database, "SELECT count(*) FROM t") == [2]
    assert rows(database, "SELECT * FROM shop.seen") == ["7MB"]


def test_a_rest_that_fails_leaves_what_had_run_and_nothing_of_itself(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "index", BEGUN + TWICE)
    fails(nself, "run")
    project.migration("1", "index", BEGUN + TWICE.partition("\n")[0] + "CREATE TABLE u (); NOPE;")
    assert fails(nself, "run")["database"] == "partial"
    assert tables(database) == ["first", "t"]
    project.migration("1", "index", BEGUN + TWICE.partition("\n")[0] + "CREATE TABLE u ();")
    assert nself("run", "--skip-backup").code == 0
    assert tables(database) == ["first", "t", "u"]


def test_what_has_run_may_not_be_edited_in_the_mended_one_either(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "index", BEGUN + TWICE)
    fails(nself, "run")
    project.migration("1", "index", BEGUN.replace("first", "second") + PLAIN)
    said = fails(nself, "run")
    assert "statement 1 of 1 was edited, but it has already run" in str(said["error"])
    assert (tables(database), indexes(database)) == (["first", "t"], {})


def test_the_whole_run_of_atomic_takes_a_mended_one_in(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "index", ALONE)
    fails(nself, "run")
    project.migration("1", "index", PLAIN)
    project.migration("2", "next", "CREATE TABLE next (id int);")
    result = nself("run", "--skip-backup", "--atomic")
    assert result.code == 0, result.err
    assert applied(database) == ["1", "2"]


def test_a_mended_down_undoes_it(project: Project, nself: Nself, database: str) -> None:
    project.migration("1", "index", PLAIN, "DROP INDEX CONCURRENTLY nope;")
    assert nself("run", "--skip-backup").code == 0
    assert fails(nself, "rollback")["database"] == "unchanged"
    project.migration("1", "index", PLAIN, "DROP INDEX t_a;")
    result = nself("rollback", "--skip-backup", "--down", "file")
    assert result.code == 0, result.err
    assert (indexes(database), applied(database)) == ({}, [])


def test_a_rollback_that_did_nothing_keeps_no_run_from_going_on(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "index", PLAIN, "DROP INDEX CONCURRENTLY nope;")
    assert nself("run", "--skip-backup").code == 0
    fails(nself, "rollback")
    project.migration("2", "next", "CREATE TABLE next (id int);")
    assert nself("run", "--skip-backup").code == 0
    states = [m["state"] for m in nself("status", "--json").json()["migrations"]]
    assert (indexes(database), states) == ({"t_a": True}, ["applied", "applied"])


def test_a_run_that_did_nothing_keeps_no_rollback_from_going_on(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "first", "CREATE TABLE first (id int);", "DROP TABLE first;")
    project.migration("2", "index", ALONE)
    fails(nself, "run")
    assert nself("rollback", "--skip-backup").code == 0
    assert (tables(database), applied(database)) == (["t"], [])


def test_a_procedure_that_committed_before_it_failed_stays_partial(
    project: Project, nself: Nself, database: str
) -> None:
    execute(
        database,
        "CREATE PROCEDURE half() LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO t VALUES (7); COMMIT; PERFORM 1 / 0; END'",
    )
    project.migration("1", "half", "-- nself: no-transaction\nCALL half();")
    assert fails(nself, "run")["database"] == "partial"
    assert rows(database, "SELECT a FROM t") == [7]
    project.migration("1", "half", "CREATE TABLE other (id int);")
    assert nself("run", "--skip-backup").code == 0
    assert applied(database) == ["1"]
