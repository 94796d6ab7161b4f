"""Files and history that do not fit together, as `status`, `run` and `run --dry-run` tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from servers_for_tests import Nself, Project, Result
from sql_for_tests import applied, execute, tables

UP = "CREATE TABLE two (\n  id int\n);\n"


@pytest.fixture
def two(project: Project, nself: Nself) -> Project:
    """Two applied migrations and a pending one."""
    project.migration("10", "one", "CREATE TABLE one (id int);")
    project.migration("20", "two", UP)
    assert nself("run", "--skip-backup").code == 0
    project.migration("30", "three", "CREATE TABLE three (id int);")
    return project


def edit(project: Project) -> None:
    project.migration("20", "two", UP.replace("id int", "id bigint"))


def delete(project: Project) -> None:
    (project.migrations / "20_two.sql").unlink()


def rename(project: Project) -> None:
    (project.migrations / "20_two.sql").rename(project.migrations / "20_zwei.sql")


def renumber(project: Project) -> None:
    (project.migrations / "20_two.sql").rename(project.migrations / "25_two.sql")


CHANGES = {
    "edited": (edit, "20 was edited after it was applied"),
    "missing": (delete, "20_two was applied"),
    "renamed": (rename, "20 was renamed after it was applied"),
    "renumbered": (renumber, "25_two.sql has the same content: was it renumbered?"),
}


def states(result: Result) -> dict[str, Any]:
    return {m["version"]: m["state"] for m in result.json()["migrations"]}


@pytest.mark.parametrize("what", CHANGES)
def test_each_is_named_by_status_and_stops_run_and_plan_before_anything(
    two: Project, nself: Nself, database: str, what: str
) -> None:
    change, words = CHANGES[what]
    change(two)
    state = "missing" if what == "renumbered" else what

    listed = nself("status", "--json")
    assert (listed.code, states(listed)["20"]) == (0, state)
    strict = nself("status", "--strict")
    assert strict.code == 1

    run = nself("run", "--skip-backup", "--json")
    error = run.json()["error"]
    assert (run.code, error["code"], error["database"]) == (1, "history", "unchanged")
    [problem] = error["problems"]
    assert words in problem["message"]

    plan = nself("run", "--dry-run", "--json")
    blocked = [s for s in plan.json()["steps"] if s["status"] == "blocked"]
    assert (plan.code, blocked[0]["id"]) == (1, "migrate:history")
    assert words in blocked[0]["reasons"][0]
    assert tables(database) == ["one", "two"]


def test_everything_that_is_wrong_is_said_at_once(two: Project, nself: Nself) -> None:
    edit(two)
    (two.migrations / "10_one.sql").unlink()
    error = nself("run", "--skip-backup", "--json").json()["error"]
    assert error["message"] == "2 applied migrations and the history do not fit together"
    assert error["facts"] == {"versions": ["10", "20"]}


def test_a_password_in_the_sql_is_shown_neither_in_a_difference_nor_in_a_plan(
    project: Project, nself: Nself
) -> None:
    role = "CREATE TABLE r (i int); -- CREATE ROLE nobody PASSWORD '{}'\nSELECT {};"
    project.migration("1", "role", role.format("first-secret", 1))
    plan = nself("run", "--dry-run", "--sql")
    assert nself("run", "--skip-backup").code == 0
    project.migration("1", "role", role.format("second-secret", 2))
    status = nself("status", "--verbose")
    assert "SELECT 1;" in plan.out
    assert "+SELECT 2;" in status.out
    for shown in (plan.out, plan.err, status.out, nself("status", "--json").out):
        assert "first-secret" not in shown
        assert "second-secret" not in shown


def test_the_difference_of_an_edited_one_is_shown_when_verbose(two: Project, nself: Nself) -> None:
    edit(two)
    assert "20: `--verbose` shows the difference" in nself("status").out
    shown = nself("status", "--verbose").out
    for line in (
        "--- as applied",
        "+++ backend/migrations/20_two.sql",
        "-  id int",
        "+  id bigint",
    ):
        assert line in shown.splitlines()
    [item] = [m for m in nself("status", "--json").json()["migrations"] if m["version"] == "20"]
    assert "+  id bigint" in item["detail"]


def test_an_edit_of_comments_only_is_told_apart_and_the_run_goes_on(
    two: Project, nself: Nself, database: str
) -> None:
    two.migration("20", "two", "-- the second\n" + UP)
    words = "20: comments or white space were edited after it was applied"
    listed = nself("status")
    assert words in listed.out
    assert states(nself("status", "--json")) == {"10": "applied", "20": "applied", "30": "pending"}
    assert words in nself("run", "--dry-run").err
    run = nself("run", "--skip-backup")
    assert run.code == 0
    assert f"note: {words}" in run.err
    assert applied(database) == ["10", "20", "30"]
    assert nself("status", "--strict").code == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda up: up.replace("\n", "\r\n"),
        lambda up: "\ufeff" + up,
        lambda up: "\ufeff" + up.replace("\n", "\r\n"),
    ],
    ids=["CRLF", "BOM", "both"],
)
def test_other_line_endings_or_a_bom_are_no_edit(
    two: Project, nself: Nself, change: Callable[[str], str]
) -> None:
    two.migration("20", "two", change(UP))
    [item] = [m for m in nself("status", "--json").json()["migrations"] if m["version"] == "20"]
    assert (item["state"], item["notes"], item["detail"]) == ("applied", [], "")
    assert "edited" not in nself("run", "--skip-backup").err


def test_a_deleted_one_is_listed_with_its_name(two: Project, nself: Nself) -> None:
    delete(two)
    [item] = [m for m in nself("status", "--json").json()["migrations"] if m["version"] == "20"]
    assert (item["name"], item["path"], item["has_down"]) == ("two", None, False)
    assert item["applied_at"]


def test_status_says_when_by_whom_and_how_long(two: Project, nself: Nself) -> None:
    listed = nself("status", "--json")
    found = {m["version"]: m for m in listed.json()["migrations"]}
    assert states(listed) == {"10": "applied", "20": "applied", "30": "pending"}
    assert found["10"]["applied_by"] == "postgres"
    assert found["10"]["execution_ms"] >= 0
    assert found["10"]["applied_at"].startswith("20")
    assert found["30"]["applied_at"] is None
    assert listed.json()["summary"] == {"applied": 2, "pending": 1}


def test_strict_is_1_with_something_pending_and_0_when_all_is_applied(
    two: Project, nself: Nself
) -> None:
    assert (nself("status").code, nself("status", "--strict").code) == (0, 1)
    assert nself("run", "--skip-backup").code == 0
    assert nself("status", "--strict").code == 0


def late(project: Project) -> None:
    """A migration that is older than the newest applied one."""
    project.migration("15", "late", "CREATE TABLE late (id int);")


def test_out_of_order_in_dev_is_applied_with_a_note(
    two: Project, nself: Nself, database: str
) -> None:
    late(two)
    assert states(nself("status", "--json"))["15"] == "out-of-order"
    plan = nself("run", "--dry-run", "--json")
    assert (plan.code, plan.json()["summary"]["pending"]) == (0, 2)
    run = nself("run", "--skip-backup")
    assert run.code == 0
    assert "note: 15 is older than the newest applied migration" in run.err
    assert applied(database) == ["10", "20", "15", "30"]


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_out_of_order_in_staging_and_prod_is_refused_unless_asked_for(
    two: Project, nself: Nself, database: str, environment: str
) -> None:
    execute(database, f"UPDATE public._nself_migration_meta SET environment = '{environment}'")
    late(two)
    run = nself("run", "--env", environment, "--json")
    error = run.json()["error"]
    assert (run.code, error["database"], error["facts"]) == (1, "unchanged", {"versions": ["15"]})
    assert error["problems"][0]["path"] == "backend/migrations/15_late.sql"
    assert "--out-of-order" in error["hint"]
    plan = nself("run", "--env", environment, "--dry-run")
    assert plan.code == 1
    assert applied(database) == ["10", "20"]
    assert nself("run", "--env", environment, "--out-of-order").code == 0
    assert applied(database) == ["10", "20", "15", "30"]


def test_what_lies_above_the_bound_may_be_out_of_order(two: Project, nself: Nself) -> None:
    assert nself("run", "--skip-backup").code == 0
    late(two)
    assert nself("run", "--env", "dev", "--skip-backup", "--to", "12").code == 0


def test_status_before_the_first_run_lists_all_as_pending(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", "SELECT 1;")
    listed = nself("status", "--json")
    assert (states(listed), listed.json()["label"]) == ({"1": "pending"}, None)
    assert tables(database) == []
