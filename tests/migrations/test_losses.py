"""What a script takes away, read from its text alone."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nself_tasks.migrations.losses import losses
from nself_tasks.migrations.script import parse
from nself_tasks.model import Script, SourceFile


def script(sql: str) -> Script:
    return parse(SourceFile(PurePosixPath("a.down.sql"), sql, ""))


def told(sql: str) -> list[tuple[str, str, str, bool]]:
    """Kind, name, column and CASCADE of each loss."""
    return [(one.kind, one.name, one.column, one.cascade) for one in losses(script(sql))]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DROP TABLE orders;", [("relation", "orders", "", False)]),
        (
            'DROP TABLE IF EXISTS a, shop."B" CASCADE;',
            [("relation", "a", "", True), ("relation", 'shop."B"', "", True)],
        ),
        ("drop materialized view m restrict;", [("relation", "m", "", False)]),
        ("DROP SCHEMA shop CASCADE;", [("schema", "shop", "", True)]),
        ("DROP TYPE mood;", [("type", "mood", "", False)]),
        ("DROP EXTENSION IF EXISTS citext;", [("extension", "citext", "", False)]),
        (
            "ALTER TABLE ONLY t DROP COLUMN IF EXISTS a CASCADE, DROP b, DROP CONSTRAINT c;",
            [("column", "t", "a", True), ("column", "t", "b", False)],
        ),
        ("ALTER TABLE t ADD CHECK (x IN (1, 2)), DROP z;", [("column", "t", "z", False)]),
        (
            'ALTER TABLE t ALTER COLUMN a TYPE int USING f(a, 1), ALTER "B" TYPE x USING 0;',
            [("column", "t", "a", False), ("column", "t", '"B"', False)],
        ),
        (
            "TRUNCATE TABLE a, ONLY b * RESTART IDENTITY CASCADE;",
            [("rows", "a", "", True), ("rows", "b", "", True)],
        ),
        ("/* all */ DELETE /* of */ FROM -- it\n ONLY t AS x;", [("some rows", "t", "", False)]),
    ],
)
def test_what_goes_is_told_with_its_name_as_written(
    sql: str, expected: list[tuple[str, str, str, bool]]
) -> None:
    assert told(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "DROP INDEX i;",
        "DROP FUNCTION f(int);",
        "DROP TRIGGER x ON t;",
        "ALTER TABLE t DROP CONSTRAINT c, ALTER a DROP DEFAULT, ALTER b DROP NOT NULL;",
        "ALTER TABLE t RENAME a TO b;",
        "ALTER TABLE t ALTER a TYPE text, ADD EXCLUDE USING gist (c WITH &&);",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;",
        "INSERT INTO t VALUES ('ON CONFLICT (a) DO UPDATE SET a = 1');",
        "CREATE TABLE t (id int);",
        "INSERT INTO t VALUES ('DROP TABLE t');",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE t';",
        "SELECT pg_catalog.setval('s', 1), count(*) FROM t WHERE a IN (1, 2);",
        "COMMENT ON TABLE t IS 'DELETE FROM t';",
        "-- DROP TABLE t\nGRANT SELECT ON t TO PUBLIC;",
    ],
)
def test_what_takes_nothing_away_is_not_told(sql: str) -> None:
    assert told(sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$BEGIN DELETE FROM t; END$$;",
        "CALL clean();",
        "SELECT clean();",
        "SELECT shop.count(1);",
        "UPDATE t SET a = 1;",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO /* really */ UPDATE SET a = 2;",
        "MERGE INTO t USING s ON s.a = t.a WHEN MATCHED THEN DELETE;",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT 1;",
        "DELETE FROM t WHERE old(a);",
        "DELETE FROM t USING s WHERE s.a = t.a;",
        "DROP FUNCTION f(int) CASCADE;",
        "DROP OWNED BY joe;",
        "DROP TABLE other.shop.t;",
        'DROP TABLE U&"\\0041";',
    ],
)
def test_what_the_text_cannot_tell_is_said_with_a_reason(sql: str) -> None:
    [one] = losses(script(sql))
    assert one.kind == "unknown"
    assert one.reason


def test_names_are_read_under_the_search_path_that_stands_before_them() -> None:
    path = "SET search_path = shop"
    assert [one.path for one in losses(script(f"DROP TABLE a; {path}; DROP TABLE b;"))] == [
        (),
        (path,),
    ]
