"""What a DELETE of a rollback takes away beside its own rows is counted, or said not to be."""

from __future__ import annotations

from typing import Any

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import execute, rows

TREE = """
CREATE SCHEMA "odd ones";
CREATE TABLE p (id int PRIMARY KEY, note text);
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
CREATE TABLE d (c int REFERENCES c ON DELETE CASCADE, p int REFERENCES p ON DELETE CASCADE);
CREATE TABLE n (p int REFERENCES p ON DELETE SET NULL);
CREATE TABLE z (p int DEFAULT 2 REFERENCES p ON DELETE SET DEFAULT);
CREATE TABLE free (p int REFERENCES p ON DELETE RESTRICT);
CREATE TABLE "odd ones"."My, pair" ("a b" int, "only" int, PRIMARY KEY ("a b", "only"),
  p int REFERENCES p ON DELETE CASCADE);
CREATE TABLE "odd ones".twin (x int, y int, FOREIGN KEY (y, x)
  REFERENCES "odd ones"."My, pair" ON DELETE CASCADE);
CREATE TABLE tree (id int PRIMARY KEY, above int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE leaf (tree int REFERENCES tree ON DELETE CASCADE, next int REFERENCES tree
  ON DELETE SET NULL);
CREATE TABLE left_one (id int PRIMARY KEY, other int);
CREATE TABLE right_one (id int PRIMARY KEY, other int REFERENCES left_one ON DELETE CASCADE);
ALTER TABLE left_one ADD FOREIGN KEY (other) REFERENCES right_one ON DELETE CASCADE;
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE of_parts (id int, part int REFERENCES parts ON DELETE CASCADE) PARTITION BY RANGE (id);
CREATE TABLE of_part1 PARTITION OF of_parts FOR VALUES FROM (0) TO (100);
INSERT INTO p VALUES (1, 'one'), (2, 'two'), (3, NULL);
INSERT INTO c SELECT i, 1 + i % 2 FROM generate_series(1, 5000) i;
INSERT INTO d SELECT i, 2 FROM generate_series(1, 10) i;
INSERT INTO n VALUES (1), (1), (2), (NULL);
INSERT INTO z VALUES (1), (2);
INSERT INTO "odd ones"."My, pair" VALUES (1, 2, 1), (3, 4, 2);
INSERT INTO "odd ones".twin VALUES (2, 1), (2, 1), (4, 3), (NULL, 1);
INSERT INTO tree SELECT i, NULLIF(i / 2, 0) FROM generate_series(1, 15) i;
INSERT INTO leaf SELECT i, 1 FROM generate_series(1, 15) i;
INSERT INTO parts SELECT generate_series(1, 10);
INSERT INTO of_parts SELECT i, i FROM generate_series(1, 10) i;
"""


@pytest.fixture
def shop(project: Project, nself: Nself) -> Project:
    """Tables that hang on each other, applied; each test writes its own down."""
    project.migration("1", "shop", TREE, "SELECT 1;")
    assert nself("run", "--skip-backup").code == 0
    return project


def lost(nself: Nself, down: str, project: Project) -> list[tuple[str, str, Any]]:
    """Kind, name and rows of what the plan of a rollback with this down says is lost."""
    project.write("backend/migrations/1_shop.down.sql", down)
    plan = nself("rollback", "--dry-run", "--down", "file", "--json")
    assert plan.code == 0, plan.out
    return [(one["kind"], one["name"], one["rows"]) for one in plan.json()["losses"]]


def counts(database: str) -> dict[str, int]:
    """The rows of every table."""
    names = rows(
        database,
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT"
        " relispartition AND relname !~ '^_nself' AND relnamespace NOT IN"
        " ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
    )
    return {name: rows(database, f"SELECT count(*) FROM {name}")[0] for name in names}


CASCADES = [
    (
        "DELETE FROM p WHERE id = 1",
        [
            ("rows", "p", 1),
            ("rows", "public.c", 2500),
            ("rows", "public.d", 5),
            ("links", "public.n", 2),
            ("links", "public.z", 1),
            ("rows", '"odd ones"."My, pair"', 1),
            ("rows", '"odd ones".twin', 2),
        ],
    ),
    ("DELETE FROM ONLY p AS x WHERE x.id = 3 -- nothing hangs on it\n", [("rows", "p", 1)]),
    (
        "DELETE FROM tree WHERE id = 2",
        [("rows", "tree", 1), ("rows", "public.tree", 6), ("rows", "public.leaf", 7)],
    ),
    (
        "DELETE FROM tree WHERE id = 1",
        [("rows", "tree", 1), ("rows", "public.tree", 14), ("rows", "public.leaf", 15)],
    ),
    ("DELETE FROM parts WHERE id < 4", [("rows", "parts", 3), ("rows", "public.of_parts", 3)]),
    ("DELETE FROM part1 WHERE id < 4", [("rows", "part1", 3), ("rows", "public.of_parts", 3)]),
    ("SET search_path = pg_catalog; DELETE FROM public.n", [("rows", "public.n", 4)]),
]


@pytest.mark.parametrize(("down", "expected"), CASCADES)
def test_what_hangs_on_deleted_rows_is_counted_and_really_goes(
    shop: Project, nself: Nself, database: str, down: str, expected: list[tuple[str, str, Any]]
) -> None:
    before = counts(database)
    assert sorted(lost(nself, down, shop)) == sorted(expected)
    execute(database, down)
    after = counts(database)
    gone: dict[str, int] = {}
    for kind, name, number in expected:
        short = name.removeprefix("public.").replace("part1", "parts")
        gone[short] = gone.get(short, 0) + (number if kind == "rows" else 0)
    assert {name: before[name] - after[name] for name in gone} == gone
    assert {name for name in before if before[name] != after[name]} <= set(gone)


def test_the_cascade_is_shown_as_coming_with_the_statement(shop: Project, nself: Nself) -> None:
    shop.write("backend/migrations/1_shop.down.sql", "DELETE FROM p WHERE id = 1;")
    out = nself("rollback", "--dry-run", "--down", "file").out
    assert "rows of public.c, 2,500 rows (with `DELETE FROM p …`)" in out
    assert "links in public.n, 2 rows (with `DELETE FROM p …`)" in out


def test_a_circle_of_cascades_is_said_to_be_uncounted(shop: Project, nself: Nself) -> None:
    told = lost(nself, "DELETE FROM left_one;", shop)
    assert told == [("rows", "left_one", 0), ("unknown", "public.left_one", None)]


@pytest.mark.parametrize(
    ("table", "event", "is_told"),
    [
        ("p", "DELETE", True),
        ("d", "DELETE", True),
        ("n", "UPDATE", True),
        ("n", "DELETE", False),
        ("p", "INSERT", False),
        ("free", "DELETE", False),
    ],
)
def test_a_trigger_on_what_loses_rows_is_named(
    shop: Project, nself: Nself, database: str, table: str, event: str, is_told: bool
) -> None:
    execute(
        database,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"CREATE TRIGGER sweeps AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION f()",
    )
    shop.write("backend/migrations/1_shop.down.sql", "DELETE FROM p WHERE id = 1;")
    out = nself("rollback", "--dry-run", "--down", "file").out
    said = f"cannot be counted: `DELETE FROM p …`, the trigger `sweeps` of public.{table} may do"
    assert (said in out) is is_told


def test_a_delete_through_a_view_says_that_it_is_not_followed(
    shop: Project, nself: Nself, database: str
) -> None:
    execute(database, "CREATE VIEW few AS SELECT * FROM p")
    told = lost(nself, "DELETE FROM few WHERE id = 1;", shop)
    assert told == [("rows", "few", 1), ("unknown", "public.few", None)]


def test_a_column_that_is_computed_anew_and_an_upsert_are_told(shop: Project, nself: Nself) -> None:
    down = (
        "ALTER TABLE p ALTER COLUMN note TYPE int USING 0;"
        " INSERT INTO p VALUES (2) ON CONFLICT (id) DO UPDATE SET id = 9;"
    )
    told = lost(nself, down, shop)
    assert sorted(told, key=str) == [("column", "public.p.note", 2), ("unknown", "", None)]
