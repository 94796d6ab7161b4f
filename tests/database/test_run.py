"""`run`: what a failing migration leaves behind, and what the next run makes of it."""

from __future__ import annotations

import psycopg
import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import applied, execute, history, rows, tables

FIRST, SECOND, THIRD, FOURTH, FIFTH = VERSIONS = [f"2026010{n}000000" for n in range(1, 6)]
GOOD_THIRD = "CREATE TABLE t3 (id int PRIMARY KEY);\nINSERT INTO t3 VALUES (1), (2);\n"
BAD_THIRD = "CREATE TABLE t3 (id int PRIMARY KEY);\nINSERT INTO t3\n  SELECT upper(id) FROM t1;\n"


@pytest.fixture
def five(project: Project) -> Project:
    """Five migrations, a table each; the third one fails at its second statement."""
    for number, version in enumerate(VERSIONS, 1):
        project.migration(version, f"t{number}", f"CREATE TABLE t{number} (id int PRIMARY KEY);\n")
    project.migration(THIRD, "t3", BAD_THIRD)
    return project


def test_before_a_failing_third_of_five_two_stay_and_of_it_no_trace(
    five: Project, nself: Nself, database: str
) -> None:
    result = nself("run", "--skip-backup", "--json")
    found = result.json()
    assert (result.code, found["exit_code"]) == (1, 1)
    assert (found["database"], found["error"]["database"]) == ("advanced", "advanced")
    assert found["applied"] == applied(database) == [FIRST, SECOND]
    assert tables(database) == ["t1", "t2"]
    assert rows(database, "SELECT count(*) FROM public._nself_migrations") == [2]


def test_after_the_fix_the_run_starts_at_the_third_and_finishes(
    five: Project, nself: Nself, database: str
) -> None:
    assert nself("run", "--skip-backup").code == 1
    five.migration(THIRD, "t3", GOOD_THIRD)
    found = nself("run", "--skip-backup", "--json").json()
    assert found["applied"] == [THIRD, FOURTH, FIFTH]
    assert applied(database) == VERSIONS
    assert rows(database, "SELECT id FROM t3 ORDER BY id") == [1, 2]


def test_the_error_says_where_what_the_server_said_in_which_state_and_what_to_do(
    five: Project, nself: Nself
) -> None:
    said = nself("run", "--skip-backup").err
    path = f"backend/migrations/{THIRD}_t3.sql"
    assert f"error: {path}:3:10: function upper(integer) does not exist (42883)" in said
    excerpt = "  3 |   SELECT upper(id) FROM t1;\n    |          ^\n"
    assert excerpt in said
    assert "hint: No function matches the given name and argument types." in said
    state = (
        f"The database is as it was before {THIRD}."
        f" 2 migrations applied in this run stay applied: {FIRST}, {SECOND}."
    )
    what_to_do = "hint: mend it, then run `nself migrate run` again: it starts at what is left"
    assert said.index(excerpt) < said.index(state) < said.index(what_to_do)


def test_the_error_in_json_has_the_place_and_the_sqlstate(five: Project, nself: Nself) -> None:
    error = nself("run", "--skip-backup", "--json").json()["error"]
    assert error["code"] == "migration"
    assert error["facts"] == {
        "version": THIRD,
        "path": f"backend/migrations/{THIRD}_t3.sql",
        "line": 3,
        "column": 10,
        "sqlstate": "42883",
        "server_message": "function upper(integer) does not exist",
    }


def test_the_servers_detail_hint_and_context_are_shown(project: Project, nself: Nself) -> None:
    raised = "RAISE 'too small' USING DETAIL = 'It is 3.', HINT = 'Try 4.', ERRCODE = 'PT001';"
    project.migration("1", "raises", f"SELECT 1;\nDO $$\nBEGIN\n  {raised}\nEND $$;\n")
    said = nself("run", "--skip-backup").err
    assert "backend/migrations/1_raises.sql:2:1: too small (PT001)" in said
    for line in ("detail: It is 3.", "hint: Try 4.", "context: PL/pgSQL function inline_code"):
        assert line in said


def test_the_line_of_the_bad_row_of_copy_data_is_named(project: Project, nself: Nself) -> None:
    up = "CREATE TABLE t (id int);\nCOPY t FROM stdin;\n1\n2\nthree\n\\.\n"
    project.migration("1", "data", up)
    said = nself("run", "--skip-backup").err
    assert "1_data.sql:5:1: invalid input syntax for type integer" in said
    assert "5 | three" in said


def test_a_deferred_constraint_fails_its_own_migration(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", "CREATE TABLE a (id int PRIMARY KEY);")
    deferred = "CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
    project.migration("2", "b", f"{deferred}\nINSERT INTO b VALUES (7);")
    result = nself("run", "--skip-backup", "--json")
    assert result.json()["error"]["facts"]["sqlstate"] == "23503"
    assert result.json()["error"]["facts"]["version"] == "2"
    assert (applied(database), tables(database)) == (["1"], ["a"])


def test_with_atomic_nothing_stays(five: Project, nself: Nself, database: str) -> None:
    result = nself("run", "--skip-backup", "--atomic", "--json")
    found = result.json()
    assert (result.code, found["database"], found["applied"]) == (1, "unchanged", [])
    assert found["error"]["facts"]["version"] == THIRD
    assert found["state"] == "The database is as it was before this run."
    assert tables(database) == []


def test_with_atomic_the_whole_run_is_one_transaction(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", "CREATE TABLE seen AS SELECT pg_current_xact_id() AS xid;")
    project.migration("2", "b", "INSERT INTO seen SELECT pg_current_xact_id();")
    assert nself("run", "--skip-backup", "--atomic").code == 0
    assert applied(database) == ["1", "2"]
    assert rows(database, "SELECT count(*), count(DISTINCT xid::text) FROM seen") == [(2, 1)]


def test_atomic_refuses_before_it_starts_what_cannot_run_in_a_transaction(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", "CREATE TABLE a (id int);")
    project.migration("2", "b", "SELECT 1;\nCREATE INDEX CONCURRENTLY a_id ON a (id);")
    project.migration("3", "c", "-- nself: no-transaction\nSELECT 1;")
    result = nself("run", "--atomic", "--json")
    found = result.json()
    assert (result.code, found["database"]) == (1, "unchanged")
    assert [(p["path"], p["line"]) for p in found["error"]["problems"]] == [
        ("backend/migrations/2_b.sql", 2),
        ("backend/migrations/3_c.sql", 1),
    ]
    assert tables(database) == []
    assert not (project.root / ".nself" / "backup").exists()


def test_a_file_that_cannot_run_is_refused_before_the_first_migration(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", "CREATE TABLE a (id int);")
    project.migration("2", "b", "SELECT 1;\nCOMMIT;\n")
    project.migration("3", "c", "SELECT 'open;\n")
    result = nself("run", "--skip-backup", "--json")
    assert result.code == 1
    problems = result.json()["error"]["problems"]
    assert [(p["path"], p["line"]) for p in problems] == [
        ("backend/migrations/2_b.sql", 2),
        ("backend/migrations/3_c.sql", 1),
    ]
    assert tables(database) == []


def test_a_run_without_anything_pending_says_so_and_exits_0(project: Project, nself: Nself) -> None:
    project.migration("1", "a", "CREATE TABLE a (id int);")
    assert nself("run", "--skip-backup").code == 0
    result = nself("run")
    assert (result.code, result.out) == (
        0,
        "nothing to do: no migration is pending, 1 applied\n",
    )


def test_to_is_a_bound_that_need_not_name_a_migration(
    project: Project, nself: Nself, database: str
) -> None:
    for version in ("10", "20", "30"):
        project.migration(version, f"t{version}", f"CREATE TABLE t{version} (id int);")
    result = nself("run", "--skip-backup", "--to", "25")
    assert "no migration has the version 25; it bounds all at or below it" in result.err
    assert applied(database) == ["10", "20"]


def test_warnings_and_notices_of_the_server_are_shown(project: Project, nself: Nself) -> None:
    up = "DROP TABLE IF EXISTS nowhere;\nDO $$ BEGIN RAISE WARNING 'mind the gap'; END $$;"
    project.migration("1", "talks", up)
    result = nself("run", "--skip-backup")
    assert 'note: server NOTICE: table "nowhere" does not exist, skipping' in result.err
    assert "warning: server WARNING: mind the gap" in result.err


def test_an_enum_value_of_one_migration_can_be_used_in_the_next(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "mood", "CREATE TYPE mood AS ENUM ('sad');")
    project.migration("2", "ok", "ALTER TYPE mood ADD VALUE 'ok';")
    project.migration("3", "use", "CREATE TABLE m AS SELECT 'ok'::mood AS mood;")
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT mood::text FROM m") == ["ok"]


def test_an_enum_value_used_where_it_was_added_fails_with_the_way_out(
    project: Project, nself: Nself
) -> None:
    project.migration("1", "mood", "CREATE TYPE mood AS ENUM ('sad');")
    project.migration("2", "ok", "ALTER TYPE mood ADD VALUE 'ok';\nSELECT 'ok'::mood;")
    result = nself("run", "--skip-backup")
    assert "(55P04)" in result.err
    assert "hint: use the new enum value in a later migration" in result.err


@pytest.mark.parametrize("text", ["100 %", "%s %(a)s %%", ":x ::y", "? ?|", "$1 $2", "\\a {b}"])
def test_what_looks_like_a_placeholder_is_data(
    project: Project, nself: Nself, database: str, text: str
) -> None:
    copied = text.replace("\\", "\\\\")
    up = f"CREATE TABLE t (x text);\nINSERT INTO t VALUES ('{text}');\nCOPY t FROM stdin;\n"
    project.migration("1", "data", f"{up}{copied}\n\\.\n")
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT x FROM t") == [text, text]


def test_a_file_with_a_bom_and_crlf_runs_with_its_own_bytes(
    project: Project, nself: Nself, database: str
) -> None:
    up = "\ufeffCREATE TABLE t (x text);\r\nINSERT INTO t VALUES ('a\r\nb');\r\n"
    project.migration("1", "windows", up)
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT x FROM t") == ["a\r\nb"]


def test_crlf_copy_data_is_copied_as_psql_copies_it(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration(
        "1", "t", "CREATE TABLE t (x text);\r\nCOPY t FROM stdin;\r\na\r\nb\r\n\\.\r\n"
    )
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT x FROM t ORDER BY 1") == ["a", "b"]


def test_one_outer_begin_commit_pair_is_taken_off(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "t", "BEGIN;\nCREATE TABLE t (id int);\nSELECT 1/0;\nCOMMIT;\n")
    assert nself("run", "--skip-backup").code == 1
    assert tables(database) == []


def test_a_version_in_another_width_is_the_same_version(
    project: Project, nself: Nself, database: str
) -> None:
    path = project.migration("7", "t", "CREATE TABLE t (id int);")
    assert nself("run", "--skip-backup").code == 0
    path.rename(path.with_name("0007_t.sql"))
    assert "nothing to do" in nself("run").out
    assert applied(database) == ["7"]


def test_what_the_history_keeps_of_a_migration(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration(
        "1", "t", "CREATE TABLE t (id int);\nCOPY t FROM stdin;\n1\n\\.\n", "DROP TABLE t;"
    )
    run_id = nself("run", "--skip-backup", "--json").json()["run_id"]
    query = "SELECT name, state, run_id::text, applied_by = session_user, execution_ms >= 0"
    assert rows(database, query + " FROM public._nself_migrations") == [
        ("t", "applied", run_id, True, True)
    ]
    [(up, down)] = rows(database, "SELECT up_sql, down_sql FROM public._nself_migration_sql")
    assert down == "DROP TABLE t;"
    assert "COPY t FROM stdin;\n-- 2 characters of data, sha256 " in up


def test_nobody_else_may_read_the_history(project: Project, nself: Nself, database: str) -> None:
    project.migration("1", "t", "CREATE TABLE t (id int);")
    assert nself("run", "--skip-backup").code == 0
    granted = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC'"
    assert rows(database, granted + " AND table_name LIKE '\\_nself%'") == [0]


def test_a_short_lock_of_somebody_else_costs_a_retry_and_not_the_run(
    project: Project, nself: Nself, database: str
) -> None:
    execute(database, "CREATE TABLE busy (id int)")
    project.migration("1", "busy", "ALTER TABLE busy ADD COLUMN name text;")
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE busy")
        process = nself.start("run", "--skip-backup")
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if "attempt 1 of 8" in line:
                break
        other.rollback()
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert any("waiting for a lock (`ALTER TABLE busy" in line for line in seen)
    assert history(database, "applied") == ["1"]
