"""What a rollback takes away is counted and shown first; in prod somebody has to agree."""

from __future__ import annotations

from typing import Any

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import applied, execute, rows, tables
from terminal_for_tests import at_a_terminal

SHOP = """
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('good', 'bad');
CREATE TABLE shop.orders (id serial PRIMARY KEY, mood shop.mood);
CREATE TABLE lines (id int PRIMARY KEY, orders int REFERENCES shop.orders, note text);
INSERT INTO shop.orders (mood) SELECT 'good' FROM generate_series(1, 7);
INSERT INTO lines SELECT i, 1 + i % 7, CASE WHEN i % 2 = 0 THEN 'x' END
  FROM generate_series(1, 10) i;
CREATE VIEW moods AS SELECT mood FROM shop.orders;
CREATE MATERIALIZED VIEW kept AS SELECT id FROM shop.orders;
CREATE TABLE months (month int) PARTITION BY RANGE (month);
CREATE TABLE winter PARTITION OF months FOR VALUES FROM (1) TO (4);
CREATE TABLE spring PARTITION OF months FOR VALUES FROM (4) TO (7);
INSERT INTO months SELECT generate_series(1, 6);
"""


@pytest.fixture
def shop(project: Project, nself: Nself) -> Project:
    """A shop with rows in it, applied; each test writes its own down."""
    project.migration("1", "shop", SHOP, "SELECT 1;")
    assert nself("run", "--skip-backup").code == 0
    return project


def lost(nself: Nself, down: str, *, project: Project) -> list[tuple[str, str, Any]]:
    """Kind, name and rows of what the plan of a rollback with this down says is lost."""
    project.write("backend/migrations/1_shop.down.sql", down)
    plan = nself("rollback", "--dry-run", "--down", "file", "--json")
    assert plan.code == 0, plan.out
    return [(one["kind"], one["name"], one["rows"]) for one in plan.json()["losses"]]


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        ("DROP TABLE lines;", [("table", "public.lines", 10)]),
        ("SET search_path = shop; DROP TABLE orders;", [("table", "shop.orders", 7)]),
        ("DROP TABLE months;", [("table", "public.months", 6)]),
        ("ALTER TABLE lines DROP COLUMN note;", [("column", "public.lines.note", 5)]),
        ("TRUNCATE lines;", [("rows", "public.lines", 10)]),
        (
            "TRUNCATE shop.orders CASCADE;",
            [("rows", "shop.orders", 7), ("rows", "public.lines", 10)],
        ),
        ("DELETE FROM lines WHERE note IS NULL;", [("rows", "lines", 5)]),
        ("DROP MATERIALIZED VIEW kept;", [("materialized view", "public.kept", 7)]),
        (
            "DROP TYPE shop.mood CASCADE;",
            [
                ("type", "shop.mood", None),
                ("view", "public.moods", None),
                ("column", "shop.orders.mood", 7),
            ],
        ),
        (
            "DROP SCHEMA shop CASCADE;",
            [
                ("schema", "shop", None),
                ("materialized view", "public.kept", 7),
                ("view", "public.moods", None),
                ("type", "shop.mood", None),
                ("table", "shop.orders", 7),
            ],
        ),
        (
            "TRUNCATE lines; DROP TABLE lines;",
            [("rows", "public.lines", 10), ("table", "public.lines", 10)],
        ),
        ("DROP TABLE IF EXISTS nothing_there;", []),
        ("DROP INDEX IF EXISTS i; CREATE TABLE t (i int); DROP TABLE t;", []),
    ],
)
def test_what_a_down_takes_away_is_in_the_plan(
    shop: Project, nself: Nself, database: str, down: str, expected: list[tuple[str, str, Any]]
) -> None:
    before = tables(database)
    assert sorted(lost(nself, down, project=shop), key=str) == sorted(expected, key=str)
    assert tables(database) == before


def test_what_cannot_be_counted_is_said_and_the_rest_is_counted(
    shop: Project, nself: Nself
) -> None:
    down = "DO $$BEGIN DELETE FROM lines; END$$;\nDROP TABLE months;"
    shop.write("backend/migrations/1_shop.down.sql", down)
    out = nself("rollback", "--dry-run", "--down", "file").out
    path = "backend/migrations/1_shop.down.sql"
    assert f"{path}:1: cannot be counted: `DO`" in out
    assert f"{path}:2: table public.months, 6 rows (`DROP TABLE months`)" in out


def test_counting_a_delete_runs_no_function_of_its_condition(
    shop: Project, nself: Nself, database: str
) -> None:
    execute(
        database,
        "CREATE SEQUENCE asked",
        "CREATE FUNCTION old(int) RETURNS boolean LANGUAGE sql AS"
        " 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE false'",
    )
    [(kind, _, number)] = lost(nself, "DELETE FROM lines WHERE old(id);", project=shop)
    assert (kind, number) == ("unknown", None)


def test_a_large_table_is_told_by_the_servers_estimate(
    shop: Project, nself: Nself, database: str
) -> None:
    execute(
        database, "UPDATE pg_class SET relpages = 90000, reltuples = 5e6 WHERE relname = 'lines'"
    )
    shop.write("backend/migrations/1_shop.down.sql", "DROP TABLE lines;")
    out = nself("rollback", "--dry-run", "--down", "file").out
    assert "table public.lines, about 5,000,000 rows" in out


def test_a_table_that_somebody_has_locked_is_not_waited_for(
    shop: Project, nself: Nself, database: str
) -> None:
    import psycopg

    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE lines")
        shop.write("backend/migrations/1_shop.down.sql", "DROP TABLE lines; DROP TABLE months;")
        plan = nself("rollback", "--dry-run", "--down", "file", "--json")
    told = {one["name"]: (one["rows"], bool(one["unknown"])) for one in plan.json()["losses"]}
    assert told == {"public.lines": (None, True), "public.months": (6, False)}


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("env", ["dev", "staging"])
def test_outside_prod_a_rollback_shows_and_goes_on(
    shop: Project, nself: Nself, database: str, env: str
) -> None:
    execute(database, f"UPDATE public._nself_migration_meta SET environment = '{env}'")
    shop.write("backend/migrations/1_shop.down.sql", "DROP TABLE lines;")
    result = nself("rollback", "--down", "file", "--env", env)
    assert result.code == 0, result.err
    said = "note: 1: table public.lines, 10 rows (`DROP TABLE lines`)"
    assert result.err.index(said) < result.err.index("migrate:lock")
    assert "lines" not in tables(database)


@pytest.fixture
def prod(shop: Project, database: str) -> Project:
    """The shop in prod, with a down that drops the order lines."""
    execute(database, "UPDATE public._nself_migration_meta SET environment = 'prod'")
    shop.write("backend/migrations/1_shop.down.sql", "DROP TABLE lines;")
    return shop


def test_in_prod_without_a_terminal_and_without_yes_nothing_happens(
    prod: Project, nself: Nself, database: str
) -> None:
    result = nself("rollback", "--down", "file", "--env", "prod", "--json")
    error = result.json()["error"]
    assert (result.code, error["code"], error["database"]) == (2, "usage", "unchanged")
    assert "wants `--yes`, or a terminal" in error["message"]
    assert "10 rows" in result.err
    assert applied(database) == ["1"]
    assert not (prod.root / ".nself" / "backup").exists()


def test_the_label_of_the_database_decides_as_well(
    prod: Project, nself: Nself, database: str
) -> None:
    assert nself("rollback", "--down", "file").code == 2
    assert applied(database) == ["1"]
    assert prod.root.exists()


@pytest.mark.usefixtures("prod")
def test_in_prod_with_yes_it_goes_on(nself: Nself, database: str) -> None:
    result = nself("rollback", "--down", "file", "--env", "prod", "--yes")
    assert result.code == 0, result.err
    assert applied(database) == []


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("no", 1), ("", 1)])
def test_at_a_terminal_it_asks_after_it_has_shown_what_goes(
    prod: Project, database: str, answer: str, code: int
) -> None:
    def is_shown(said: bytes) -> None:
        assert b"10 rows" in said
        assert applied(database) == ["1"]

    command = ("rollback", "--down", "file")
    ended, said = at_a_terminal(prod.root, database, answer, *command, when_asked=is_shown)
    assert ended == code, said
    assert applied(database) == ([] if code == 0 else ["1"])


def test_a_run_in_prod_says_what_its_pending_files_drop_and_asks_nothing(
    prod: Project, nself: Nself, database: str
) -> None:
    prod.migration("2", "tidy", "DROP TABLE lines; DO $$BEGIN END$$;")
    result = nself("run", "--env", "prod")
    assert result.code == 0, result.err
    assert "note: 2: table public.lines, 10 rows" in result.err
    assert "cannot be counted" not in result.err
    assert applied(database) == ["1", "2"]


def test_a_run_in_dev_counts_in_its_plan_only(shop: Project, nself: Nself) -> None:
    shop.migration("2", "tidy", "DROP TABLE lines;")
    assert "table public.lines, 10 rows" in nself("run", "--dry-run").out
    assert "10 rows" not in nself("run", "--skip-backup").err


def adopt(database: str, version: str) -> None:
    """Write a row as somebody does who says that a migration is done."""
    execute(
        database,
        "INSERT INTO public._nself_migrations (version, name, state, checksum, token_checksum,"
        f" run_id, tool_version) VALUES ('{version}', 'adopted', 'applied', repeat('0', 64), '',"
        " gen_random_uuid(), '')",
    )


@pytest.mark.parametrize("flags", [["--steps", "1"], ["--to", "1"]])
def test_what_was_recorded_without_being_run_is_not_undone(
    shop: Project, nself: Nself, database: str, flags: list[str]
) -> None:
    shop.migration("2", "adopted", "SELECT 1;", "DROP TABLE lines;")
    adopt(database, "2")
    result = nself("rollback", "--skip-backup", *flags, "--json")
    error = result.json()["error"]
    assert (result.code, error["code"], error["database"]) == (1, "history", "unchanged")
    assert "`--recorded 2`" in error["hint"]
    assert applied(database) == ["1", "2"]


def test_what_was_recorded_is_undone_when_it_is_named(
    shop: Project, nself: Nself, database: str
) -> None:
    shop.migration("2", "adopted", "SELECT 1;", "DROP TABLE lines;")
    adopt(database, "2")
    assert nself("rollback", "--skip-backup", "--recorded", "3").code == 1
    assert nself("rollback", "--skip-backup", "--recorded", "2").code == 0
    assert rows(database, "SELECT to_regclass('lines')") == [None]
