"""`rollback`: what it undoes, with which SQL, and what it refuses before anything."""

from __future__ import annotations

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import applied, execute, history, rows, tables


@pytest.fixture
def three(project: Project, nself: Nself) -> Project:
    """Three applied migrations, a table each, all with their downs."""
    for version in ("10", "20", "30"):
        project.migration(
            version, f"t{version}", f"CREATE TABLE t{version} (id int);", f"DROP TABLE t{version};"
        )
    assert nself("run", "--skip-backup").code == 0
    return project


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("flags", "left"),
    [
        ([], ["10", "20"]),
        (["--steps", "2"], ["10"]),
        (["--steps", "9"], []),
        (["--to", "10"], ["10"]),
        (["--to", "15"], ["10"]),
        (["--to", "0"], []),
        (["--to", "30"], ["10", "20", "30"]),
    ],
)
def test_how_far_it_goes(nself: Nself, database: str, flags: list[str], left: list[str]) -> None:
    result = nself("rollback", "--skip-backup", *flags, "--json")
    undone = [v for v in ("30", "20", "10") if v not in left]
    assert (result.code, result.json()["reverted"]) == (0, undone)
    assert applied(database) == left
    assert tables(database) == [f"t{version}" for version in left]


@pytest.mark.usefixtures("three")
def test_a_bound_that_no_migration_has_is_said(nself: Nself) -> None:
    result = nself("rollback", "--skip-backup", "--to", "15")
    assert "no migration has the version 15; it bounds all above it" in result.err


def test_it_undoes_the_one_applied_last_not_the_one_with_the_highest_version(
    three: Project, nself: Nself, database: str
) -> None:
    three.migration("15", "late", "CREATE TABLE late ();", "DROP TABLE late;")
    assert nself("run", "--skip-backup").code == 0
    assert nself("rollback", "--skip-backup").code == 0
    assert applied(database) == ["10", "20", "30"]


@pytest.mark.usefixtures("three")
def test_rows_are_marked_rolled_back_and_kept_and_up_again_works(
    nself: Nself, database: str
) -> None:
    run_id = nself("rollback", "--skip-backup", "--json").json()["run_id"]
    marked = (
        "SELECT version, rolled_back_by = session_user, rolled_back_at > applied_at,"
        " rollback_run_id::text FROM public._nself_migrations WHERE state = 'rolled_back'"
    )
    assert rows(database, marked) == [("30", True, True, run_id)]
    assert nself("status", "--json").json()["summary"] == {"applied": 2, "pending": 1}
    assert nself("run", "--skip-backup").code == 0
    assert applied(database) == ["10", "20", "30"]
    assert history(database, "rolled_back") == ["30"]
    assert nself("rollback", "--skip-backup").code == 0
    assert history(database, "rolled_back") == ["30", "30"]


@pytest.mark.parametrize("flags", [[], ["--steps", "3"], ["--to", "0"]])
def test_with_nothing_to_roll_back_it_says_so_and_exits_0(
    project: Project, nself: Nself, database: str, flags: list[str]
) -> None:
    result = nself("rollback", *flags)
    assert (result.code, result.out) == (0, "nothing to roll back\n")
    assert rows(database, "SELECT to_regclass('public._nself_migrations')") == [None]


@pytest.mark.parametrize("down", [None, "-- nothing to undo\n/* really */\n"])
def test_one_missing_down_refuses_all_of_it_before_anything(
    three: Project, nself: Nself, database: str, down: str | None
) -> None:
    execute(database, "UPDATE public._nself_migration_sql SET down_sql = NULL")
    (three.migrations / "20_t20.down.sql").unlink()
    if down is not None:
        three.write("backend/migrations/20_t20.down.sql", down)
    result = nself("rollback", "--steps", "2", "--json")
    error = result.json()["error"]
    assert (result.code, error["database"]) == (1, "unchanged")
    [problem] = error["problems"]
    assert problem["message"] == "20 has no down file with SQL in it"
    assert problem["path"] == "backend/migrations/20_t20.down.sql"
    assert applied(database) == ["10", "20", "30"]
    assert not (three.root / ".nself" / "backup").exists()
    assert nself("rollback", "--steps", "2", "--dry-run").code == 1


def test_one_down_that_cannot_run_refuses_all_of_it_before_anything(
    three: Project, nself: Nself, database: str
) -> None:
    three.write("backend/migrations/10_t10.down.sql", "DROP TABLE t10;\nCOMMIT;\n")
    result = nself("rollback", "--steps", "3", "--json")
    [problem] = result.json()["error"]["problems"]
    assert (result.code, problem["path"], problem["line"]) == (
        1,
        "backend/migrations/10_t10.down.sql",
        2,
    )
    assert applied(database) == ["10", "20", "30"]


@pytest.mark.parametrize("gone", ["*30*", "*30*.down.sql"])
def test_where_the_file_is_gone_the_recorded_down_is_used(
    three: Project, nself: Nself, database: str, gone: str
) -> None:
    for path in three.migrations.glob(gone):
        path.unlink()
    result = nself("rollback", "--skip-backup")
    assert result.code == 0, result.err
    assert tables(database) == ["t10", "t20"]


@pytest.mark.parametrize(
    ("flags", "left", "used"),
    [
        ([], ["from the file"], "backend/migrations/30_t30.down.sql is used"),
        (["--down", "file"], ["from the file"], "backend/migrations/30_t30.down.sql is used"),
        (["--down", "history"], [], "history/30_t30.down.sql is used"),
    ],
)
def test_an_edited_down_is_shown_and_the_flag_chooses(
    three: Project, nself: Nself, database: str, flags: list[str], left: list[str], used: str
) -> None:
    execute(database, "CREATE TABLE said (x text)")
    edited = "DROP TABLE t30;\nINSERT INTO said VALUES ('from the file');\n"
    three.write("backend/migrations/30_t30.down.sql", edited)
    result = nself("rollback", "--skip-backup", *flags)
    assert result.code == 0
    assert f"the down of 30 was edited after it was recorded, {used}" in result.err
    assert "+INSERT INTO said VALUES ('from the file');" in result.err
    assert rows(database, "SELECT x FROM said") == left


def test_down_file_without_a_file_is_refused(three: Project, nself: Nself, database: str) -> None:
    (three.migrations / "30_t30.down.sql").unlink()
    assert nself("rollback", "--down", "file").code == 1
    assert applied(database) == ["10", "20", "30"]


def test_a_down_that_was_written_after_the_migration_ran_is_used(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", "CREATE TABLE a (id int);")
    assert nself("run", "--skip-backup").code == 0
    project.migration("1", "a", "CREATE TABLE a (id int);", "DROP TABLE a;")
    assert nself("rollback", "--skip-backup").code == 0
    assert tables(database) == []


def test_a_failing_down_keeps_what_was_rolled_back_before_it(
    three: Project, nself: Nself, database: str
) -> None:
    three.write("backend/migrations/20_t20.down.sql", "DROP TABLE t20;\nDROP TABLE nowhere;\n")
    result = nself("rollback", "--skip-backup", "--steps", "3", "--json")
    found = result.json()
    assert (result.code, found["database"], found["reverted"]) == (1, "advanced", ["30"])
    assert found["error"]["facts"]["path"] == "backend/migrations/20_t20.down.sql"
    assert found["error"]["facts"]["line"] == 2
    assert found["state"] == (
        "The database is as it was before 20."
        " 1 migration rolled back in this run stays rolled back: 30."
    )
    assert tables(database) == ["t10", "t20"]
    assert applied(database) == ["10", "20"]


@pytest.mark.usefixtures("three")
def test_the_plan_lists_the_newest_first_and_changes_nothing(nself: Nself, database: str) -> None:
    result = nself("rollback", "--steps", "2", "--dry-run", "--json")
    steps = [s["id"] for s in result.json()["steps"] if s["stage"] == "revert"]
    assert (result.code, steps) == (0, ["migrate:revert:30", "migrate:revert:20"])
    assert applied(database) == ["10", "20", "30"]


def test_an_edited_up_file_does_not_stand_in_the_way(
    three: Project, nself: Nself, database: str
) -> None:
    three.write("backend/migrations/20_t20.sql", "CREATE TABLE t20 (id bigint);")
    assert nself("rollback", "--skip-backup", "--steps", "2").code == 0
    assert applied(database) == ["10"]
