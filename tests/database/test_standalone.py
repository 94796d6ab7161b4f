"""Statements that cannot run in a transaction: what they leave, and where a rerun resumes."""

from __future__ import annotations

import json
from contextlib import closing

import psycopg
import pytest
from servers_for_tests import Nself, Project, within
from sql_for_tests import applied, execute, history, indexes, rows, tables

PATH = "backend/migrations/2_index.sql"
UP = """\
CREATE SCHEMA IF NOT EXISTS shop;
CREATE TABLE shop.runs (id int);
SET search_path = shop;
SET ROLE nself_test_owner;
SET work_mem = '7MB';
INSERT INTO runs VALUES (1);
CREATE UNIQUE INDEX CONCURRENTLY codes_code ON codes (code);
INSERT INTO runs VALUES (2);
CREATE TABLE seen AS SELECT current_user::text AS who, current_setting('work_mem') AS memory,
  current_setting('search_path') AS path;
"""


@pytest.fixture
def shop(project: Project, database: str) -> Project:
    """A table with a duplicate in it, and a migration that makes a unique index on it."""
    execute(
        database,
        "DO $$ BEGIN CREATE ROLE nself_test_owner; EXCEPTION WHEN duplicate_object OR"
        " unique_violation THEN NULL; END $$",
        "CREATE SCHEMA shop AUTHORIZATION nself_test_owner",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT ALL ON TABLES TO nself_test_owner",
        "CREATE TABLE shop.codes (code int)",
        "ALTER TABLE shop.codes OWNER TO nself_test_owner",
        "INSERT INTO shop.codes VALUES (1), (1), (2)",
    )
    project.migration("1", "first", "SELECT 1;")
    project.migration("2", "index", UP)
    project.migration("3", "last", "CREATE TABLE last (id int);")
    return project


def mend(database: str) -> None:
    execute(database, "DELETE FROM shop.codes WHERE ctid = '(0,1)'")


def test_a_failed_unique_build_leaves_no_invalid_index_and_says_partial(
    shop: Project, nself: Nself, database: str
) -> None:
    result = nself("run", "--skip-backup", "--json")
    found = result.json()
    assert (result.code, found["database"], found["applied"]) == (1, "partial", ["1"])
    assert found["error"]["facts"]["sqlstate"] == "23505"
    assert (found["error"]["facts"]["path"], found["error"]["facts"]["line"]) == (PATH, 7)
    assert "detail: Key (code)=(1) is duplicated." in found["error"]["detail"]
    assert "2 is partly applied: its statements up to the failed one stay." in found["state"]
    assert indexes(database) == {}
    assert tables(database) == ["codes", "runs"]


def test_a_run_that_finishes_a_partial_one_counts_it_as_applied(
    shop: Project, nself: Nself, database: str
) -> None:
    assert nself("run", "--skip-backup", "--to", "2").code == 1
    mend(database)
    found = nself("run", "--skip-backup", "--to", "2", "--json").json()
    assert (found["applied"], found["database"]) == (["2"], "advanced")


def test_a_rollback_beside_a_partial_one_calls_it_partly_applied(
    shop: Project, nself: Nself
) -> None:
    assert nself("run", "--skip-backup", "--to", "2").code == 1
    refused = nself("rollback", "--skip-backup", "--json").json()
    assert refused["error"]["message"] == "2 is partly applied"
    assert "2 is partly applied:" in refused["state"]


def test_status_and_the_plan_call_it_partial(shop: Project, nself: Nself) -> None:
    assert nself("run", "--skip-backup").code == 1
    states = {m["version"]: m["state"] for m in nself("status", "--json").json()["migrations"]}
    assert states == {"1": "applied", "2": "partial", "3": "pending"}
    assert nself("status", "--strict").code == 1
    steps = nself("run", "--dry-run", "--json").json()["steps"]
    step = next(s for s in steps if s["id"] == "migrate:apply:2")
    assert step["reasons"] == ["is partly applied, resumes where it stopped"]
    assert "alone: statement 7 (CREATE INDEX CONCURRENTLY)" in step["segments"]


def test_the_rerun_resumes_at_the_statement_with_the_earlier_sets_replayed(
    shop: Project, nself: Nself, database: str
) -> None:
    assert nself("run", "--skip-backup").code == 1
    mend(database)
    result = nself("run", "--skip-backup")
    assert result.code == 0, result.err
    assert "2: resumes after statement 6" in result.err
    assert rows(database, "SELECT id FROM shop.runs ORDER BY id") == [1, 2]
    assert rows(database, "SELECT * FROM shop.seen") == [("nself_test_owner", "7MB", "shop")]
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'codes_code'"
    assert rows(database, owner) == ["nself_test_owner"]
    assert applied(database) == ["1", "2", "3"]
    assert rows(
        database, "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'last'"
    ) == ["public"]


def test_an_edit_before_the_resume_point_is_refused_naming_the_line(
    shop: Project, nself: Nself, database: str
) -> None:
    assert nself("run", "--skip-backup").code == 1
    mend(database)
    shop.migration("2", "index", UP.replace("VALUES (1)", "VALUES (3)"))
    result = nself("run", "--skip-backup", "--json")
    error = result.json()["error"]
    assert (result.code, error["database"]) == (1, "partial")
    assert error["message"].startswith(f"{PATH}:6: statement 6 of 2 was edited")
    assert indexes(database) == {}


def test_a_comment_before_the_resume_point_may_change(
    shop: Project, nself: Nself, database: str
) -> None:
    assert nself("run", "--skip-backup").code == 1
    mend(database)
    shop.migration("2", "index", "-- mended\n\n" + UP)
    assert nself("run", "--skip-backup").code == 0


def test_an_edit_after_the_resume_point_is_what_runs_and_what_is_recorded(
    shop: Project, nself: Nself, database: str
) -> None:
    assert nself("run", "--skip-backup").code == 1
    edited = UP.replace("UNIQUE INDEX", "INDEX").replace("VALUES (2)", "VALUES (4)")
    shop.migration("2", "index", edited)
    result = nself("run", "--skip-backup")
    assert result.code == 0, result.err
    assert rows(database, "SELECT id FROM shop.runs ORDER BY id") == [1, 4]
    states = [m["state"] for m in nself("status", "--json").json()["migrations"]]
    assert states == ["applied", "applied", "applied"]


@pytest.mark.parametrize(
    "index", ["UNIQUE INDEX CONCURRENTLY ON t (a)", "INDEX CONCURRENTLY ON t ((1 / (a - 1)))"]
)
def test_a_failed_build_of_an_index_without_a_name_leaves_none(
    project: Project, nself: Nself, database: str, index: str
) -> None:
    execute(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1)")
    project.migration("1", "index", f"CREATE {index};")
    assert nself("run", "--skip-backup").code == 1
    assert indexes(database) == {}


def test_a_failed_reindex_concurrently_leaves_no_invalid_index(
    project: Project, nself: Nself, database: str
) -> None:
    execute(
        database,
        "CREATE TABLE t (a int)",
        "CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END'",
        "CREATE INDEX t_a ON t (f(a))",
        "INSERT INTO t VALUES (1)",
        "CREATE OR REPLACE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql"
        " AS 'BEGIN RETURN 1 / ($1 - 1); END'",
    )
    project.migration("1", "reindex", "REINDEX INDEX CONCURRENTLY t_a;")
    assert nself("run", "--skip-backup").code == 1
    assert indexes(database) == {"t_a": True}


def waiting(statement: str) -> str:
    """What to select from for the backend of our run that waits for a lock with a statement."""
    return (
        "pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'nself-migrate%'"
        f" AND datname = current_database() AND query LIKE '{statement}%'"
    )


def test_beside_a_long_foreign_transaction_it_succeeds_in_one_build(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("0", "history", "SELECT 1;")
    assert nself("run", "--skip-backup").code == 0  # the history has an index of its own
    execute(
        database,
        "CREATE TABLE t (a int)",
        "CREATE SEQUENCE builds",
        "CREATE FUNCTION count_build() RETURNS event_trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM nextval(''public.builds''); END'",
        "CREATE EVENT TRIGGER count_build ON ddl_command_start WHEN TAG IN ('CREATE INDEX')"
        " EXECUTE FUNCTION count_build()",
    )
    project.migration("1", "index", "CREATE INDEX CONCURRENTLY t_a ON t (a);")
    with closing(psycopg.connect(database)) as other:
        other.execute("INSERT INTO t VALUES (1)")
        process = nself.start("run", "--skip-backup")
        # longer than the lock time-out of 5 s, which would have ended it
        long = f"{waiting('CREATE INDEX')} AND clock_timestamp() - query_start > '7 s'"
        assert within(30, lambda: rows(database, f"SELECT 1 FROM {long}") == [1])
        assert process.poll() is None
        other.rollback()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "waiting for a lock (`CREATE INDEX CONCURRENTLY t_a" in err
    assert rows(database, "SELECT last_value, is_called FROM builds") == [(1, True)]
    assert indexes(database) == {"t_a": True}


def cancel(database: str, statement: str) -> None:
    """Cancel the statement of our run that waits for somebody's lock."""
    assert within(30, lambda: rows(database, f"SELECT 1 FROM {waiting(statement)}") == [1])
    assert rows(database, f"SELECT pg_cancel_backend(pid) FROM {waiting(statement)}") == [True]


def test_the_running_build_of_another_session_is_not_touched(
    project: Project, nself: Nself, database: str
) -> None:
    execute(database, "CREATE TABLE t (a int)", "CREATE INDEX t_a ON t (a)", "CREATE TABLE u ()")
    execute(database, "ALTER TABLE u ADD a int")
    project.migration("1", "reindex", "REINDEX INDEX CONCURRENTLY t_a;")
    with (
        closing(psycopg.connect(database)) as writer,
        closing(psycopg.connect(database, autocommit=True)) as builder,
    ):
        writer.execute("INSERT INTO t VALUES (3)")
        writer.execute("INSERT INTO u VALUES (3)")
        process = nself.start("run", "--skip-backup")
        assert within(30, lambda: "t_a_ccnew" in indexes(database))
        builder.pgconn.send_query(b"CREATE INDEX CONCURRENTLY u_ccnew ON u (a)")
        assert within(30, lambda: "u_ccnew" in indexes(database))
        cancel(database, "REINDEX")
        assert within(30, lambda: rows(database, f"SELECT 1 FROM {waiting('DROP INDEX')}") == [1])
        writer.rollback()
        _, err = process.communicate(timeout=60)
        while (found := builder.pgconn.get_result()) is not None:
            assert found.error_message == b""
    assert process.returncode == 1, err
    assert "dropped the invalid index public.t_a_ccnew of the failed build" in err
    assert indexes(database) == {"t_a": True, "u_ccnew": True}


def test_a_leftover_that_cannot_be_dropped_now_is_dropped_by_the_next_run(
    project: Project, nself: Nself, database: str
) -> None:
    execute(database, "CREATE TABLE t (a int)")
    project.migration("1", "index", "CREATE INDEX CONCURRENTLY t_a ON t (a);")
    with closing(psycopg.connect(database)) as writer:
        writer.execute("INSERT INTO t VALUES (3)")
        process = nself.start("run", "--skip-backup")
        cancel(database, "CREATE INDEX")
        cancel(database, "DROP INDEX")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "canceling statement due to user request (57014)" in err
    assert "what the failed build left is still there" in err
    assert indexes(database) == {"t_a": False}
    assert nself("run", "--skip-backup").code == 0
    assert indexes(database) == {"t_a": True}


def test_if_not_exists_over_an_invalid_index_is_a_failure(
    project: Project, nself: Nself, database: str
) -> None:
    execute(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(database, "CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a)")
    up = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_a ON t (a);"
    project.migration("1", "index", up)
    result = nself("run", "--skip-backup", "--json")
    error = result.json()["error"]
    assert result.code == 1
    assert "the index t_a is there but invalid" in error["message"]
    assert "DROP INDEX CONCURRENTLY t_a" in error["hint"]
    assert indexes(database) == {"t_a": False}
    execute(database, "DROP INDEX t_a", "DELETE FROM t WHERE ctid = '(0,1)'")
    assert nself("run", "--skip-backup").code == 0
    assert indexes(database) == {"t_a": True}


# --- an intent without a done row: what a killed run leaves -----------------------------------


def begun(database: str, statement: str, facts: dict[str, object]) -> None:
    """Make the only migration look as if its run was killed at its first statement."""
    from nself_tasks.migrations.script import statement_hash
    from nself_tasks.model import Category, Statement

    digest = statement_hash(Statement(statement, 0, 1, Category.STANDALONE))
    execute(
        database,
        "UPDATE public._nself_migrations SET state = 'partial'",
        "DELETE FROM public._nself_migration_progress",
        "INSERT INTO public._nself_migration_progress (migration_id, direction, position, phase,"
        " statement_hash, facts, run_id) SELECT id, 'up', 1, 'intent',"
        f" '{digest}', '{json.dumps(facts)}', run_id FROM public._nself_migrations",
    )


def recorded_facts(database: str) -> dict[str, object]:
    """The facts that were taken before the statement ran."""
    [facts] = rows(database, "SELECT facts FROM public._nself_migration_progress")
    return dict(facts)


def killed_after(project: Project, nself: Nself, database: str, statement: str) -> None:
    """Run a statement, then take its done row away: the work was done, nobody wrote it down."""
    project.migration("1", "alone", statement + ";")
    assert nself("run", "--skip-backup").code == 0
    begun(database, statement, recorded_facts(database))


INDEX = "CREATE INDEX CONCURRENTLY t_a ON t (a)"


@pytest.fixture
def table(database: str) -> None:
    execute(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)")


@pytest.mark.usefixtures("table")
def test_an_index_that_was_built_is_not_built_again(
    project: Project, nself: Nself, database: str
) -> None:
    killed_after(project, nself, database, INDEX)
    before = rows(database, "SELECT 't_a'::regclass::oid")
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT 't_a'::regclass::oid") == before
    assert applied(database) == ["1"]


@pytest.mark.usefixtures("table")
def test_an_index_that_was_not_begun_is_built(
    project: Project, nself: Nself, database: str
) -> None:
    killed_after(project, nself, database, INDEX)
    execute(database, "DROP INDEX t_a")
    assert nself("run", "--skip-backup").code == 0
    assert indexes(database) == {"t_a": True}


@pytest.mark.usefixtures("table")
def test_an_index_that_was_left_invalid_is_dropped_and_built(
    project: Project, nself: Nself, database: str
) -> None:
    killed_after(project, nself, database, INDEX)
    execute(database, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a'::regclass")
    result = nself("run", "--skip-backup")
    assert result.code == 0
    assert "dropped the invalid index public.t_a of the interrupted build" in result.err
    assert indexes(database) == {"t_a": True}


@pytest.mark.usefixtures("table")
def test_a_begun_statement_that_was_edited_since_is_refused(
    project: Project, nself: Nself, database: str
) -> None:
    killed_after(project, nself, database, INDEX)
    project.migration("1", "alone", INDEX.replace("t_a", "t_b") + ";")
    result = nself("run", "--skip-backup")
    assert result.code == 1
    assert "backend/migrations/1_alone.sql:1: statement 1 of 1 was edited" in result.err


@pytest.mark.usefixtures("table")
def test_an_index_that_somebody_is_building_right_now_is_waited_for_by_a_person(
    project: Project, nself: Nself, database: str
) -> None:
    killed_after(project, nself, database, INDEX)
    execute(database, "DROP INDEX t_a")
    with (
        closing(psycopg.connect(database)) as writer,
        closing(psycopg.connect(database, autocommit=True)) as builder,
    ):
        writer.execute("INSERT INTO t VALUES (3)")
        builder.pgconn.send_query(INDEX.encode())
        assert within(30, lambda: "t_a" in indexes(database))
        result = nself("run", "--skip-backup")
        assert result.code == 1
        assert f"backend {builder.info.backend_pid} is building t_a right now" in result.err
        writer.rollback()
        while (found := builder.pgconn.get_result()) is not None:
            assert found.error_message == b""
    assert nself("run", "--skip-backup").code == 0
    assert indexes(database) == {"t_a": True}


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("dropped", [True, False])
def test_a_begun_drop_index_is_decided_from_the_catalog(
    project: Project, nself: Nself, database: str, dropped: bool
) -> None:
    execute(database, "CREATE INDEX t_a ON t (a)")
    [oid] = rows(database, "SELECT 't_a'::regclass::oid::bigint")
    killed_after(project, nself, database, "DROP INDEX CONCURRENTLY t_a")
    if not dropped:
        execute(database, "CREATE INDEX t_a ON t (a)")
        [oid] = rows(database, "SELECT 't_a'::regclass::oid::bigint")
    begun(
        database,
        "DROP INDEX CONCURRENTLY t_a",
        {"kind": "drop index", "name": "t_a", "index": oid},
    )
    assert nself("run", "--skip-backup").code == 0
    assert (indexes(database), applied(database)) == ({}, ["1"])


@pytest.mark.usefixtures("table")
def test_a_begun_drop_of_an_index_whose_name_is_another_index_now_stops(
    project: Project, nself: Nself, database: str
) -> None:
    execute(database, "CREATE INDEX t_a ON t (a)")
    killed_after(project, nself, database, "DROP INDEX CONCURRENTLY t_a")
    execute(database, "CREATE INDEX t_a ON t (a)")
    result = nself("run", "--skip-backup")
    assert (result.code, indexes(database)) == (1, {"t_a": True})
    assert "another index is now called t_a" in result.err


@pytest.mark.usefixtures("table")
def test_a_begun_reindex_is_run_again_without_its_leftovers(
    project: Project, nself: Nself, database: str
) -> None:
    execute(database, "CREATE INDEX t_a ON t (a)", "CREATE INDEX mine_ccnew ON t (a)")
    killed_after(project, nself, database, "REINDEX INDEX CONCURRENTLY t_a")
    execute(
        database,
        "CREATE INDEX t_a_ccnew ON t (a)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a_ccnew'::regclass",
    )
    assert nself("run", "--skip-backup").code == 0
    assert indexes(database) == {"t_a": True, "mine_ccnew": True}


@pytest.mark.parametrize("detached", [True, False])
def test_a_begun_detachment_is_decided_from_the_catalog(
    project: Project, nself: Nself, database: str, detached: bool
) -> None:
    execute(
        database,
        "CREATE TABLE p (a int) PARTITION BY LIST (a)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
    )
    killed_after(project, nself, database, "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY")
    if not detached:
        execute(
            database,
            "ALTER TABLE p1 DROP CONSTRAINT IF EXISTS p1_a_check",
            "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1)",
        )
    result = nself("run", "--skip-backup")
    assert result.code == 0, result.err
    assert rows(database, "SELECT count(*) FROM pg_inherits") == [0]


ASKS = "-- nself: no-transaction\n"
DO = "DO $$ BEGIN INSERT INTO t VALUES (3); COMMIT; END $$"


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(("decision", "total"), [("rerun", 2), ("done", 1)])
def test_where_nobody_can_tell_the_run_stops_and_both_ways_out_work(
    project: Project, nself: Nself, database: str, decision: str, total: int
) -> None:
    killed_after(project, nself, database, ASKS + DO)
    begun(database, DO, {"kind": "other"})
    stopped = nself("run", "--skip-backup", "--json")
    error = stopped.json()["error"]
    assert (stopped.code, error["database"], error["facts"]["line"]) == (1, "partial", 2)
    assert "nobody can tell whether it did its work" in error["message"]
    assert "--undecided rerun" in error["hint"]
    assert "--undecided done" in error["hint"]
    assert history(database, "partial") == ["1"]
    assert nself("run", "--skip-backup", "--undecided", decision).code == 0
    assert rows(database, "SELECT count(*) FROM t WHERE a = 3") == [total]
    assert applied(database) == ["1"]


@pytest.mark.usefixtures("table")
def test_where_the_catalog_can_tell_no_person_is_believed(
    project: Project, nself: Nself, database: str
) -> None:
    killed_after(project, nself, database, INDEX)
    execute(database, "DROP INDEX t_a")
    assert nself("run", "--skip-backup", "--undecided", "done").code == 0
    assert indexes(database) == {"t_a": True}


@pytest.mark.usefixtures("table")
def test_a_begun_vacuum_is_simply_run_again(project: Project, nself: Nself, database: str) -> None:
    killed_after(project, nself, database, "VACUUM t")
    assert nself("run", "--skip-backup").code == 0
    assert applied(database) == ["1"]


@pytest.mark.usefixtures("table")
def test_a_procedure_that_commits_runs_in_a_file_declared_no_transaction(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "batches", DO + ";")
    refused = nself("run", "--skip-backup")
    assert refused.code == 1
    assert "start the file with the line `-- nself: no-transaction`" in refused.err
    project.migration("1", "batches", ASKS + DO + ";")
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT count(*) FROM t WHERE a = 3") == [1]


# --- the way back -----------------------------------------------------------------------------


@pytest.mark.usefixtures("table")
def test_a_down_with_drop_index_concurrently_rolls_back(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "index", INDEX + ";", "DROP INDEX CONCURRENTLY t_a;")
    assert nself("run", "--skip-backup").code == 0
    assert nself("rollback", "--skip-backup").code == 0
    assert (indexes(database), applied(database)) == ({}, [])
    assert history(database, "rolled_back") == ["1"]


@pytest.mark.usefixtures("table")
def test_a_failed_rollback_outside_a_transaction_is_resumed(
    project: Project, nself: Nself, database: str
) -> None:
    down = "INSERT INTO t VALUES (9);\nDROP INDEX CONCURRENTLY t_a;\nDROP TABLE extra;\n"
    project.migration("1", "index", INDEX + ";", down)
    assert nself("run", "--skip-backup").code == 0
    failed = nself("rollback", "--skip-backup", "--json")
    assert (failed.code, failed.json()["database"]) == (1, "partial")
    assert "1 is partly rolled back" in failed.json()["state"]
    refused = nself("run", "--skip-backup")
    assert refused.code == 1
    assert "1 is partly rolled back" in refused.err
    execute(database, "CREATE TABLE extra ()")
    assert nself("rollback", "--skip-backup").code == 0
    assert rows(database, "SELECT count(*) FROM t WHERE a = 9") == [1]
    assert (indexes(database), tables(database)) == ({}, ["t"])
    assert nself("run", "--skip-backup").code == 0
    assert indexes(database) == {"t_a": True}


def test_a_partly_applied_migration_is_not_rolled_back(shop: Project, nself: Nself) -> None:
    shop.migration("2", "index", UP, "DROP TABLE shop.runs;")
    assert nself("run", "--skip-backup").code == 1
    result = nself("rollback", "--skip-backup")
    assert result.code == 1
    assert "2 is partly applied" in result.err
    assert "`nself migrate run` resumes" in result.err
