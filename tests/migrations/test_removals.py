"""What a statement drops or renames."""

from __future__ import annotations

import pytest

from nself_tasks.migrations.removals import Removal, removals

TAKEN = {
    "DROP TABLE orders": [Removal(None, "orders", "DROP TABLE")],
    'drop table if exists s."Orders", t cascade': [
        Removal("s", "Orders", "DROP TABLE"),
        Removal(None, "t", "DROP TABLE"),
    ],
    "DROP VIEW v": [Removal(None, "v", "DROP VIEW")],
    "DROP MATERIALIZED VIEW IF EXISTS a.v": [Removal("a", "v", "DROP MATERIALIZED VIEW")],
    "DROP FOREIGN TABLE f": [Removal(None, "f", "DROP FOREIGN TABLE")],
    "DROP SCHEMA Shop CASCADE": [Removal("shop", None, "DROP SCHEMA")],
    "ALTER TABLE IF EXISTS ONLY a.b RENAME TO c": [Removal("a", "b", "RENAME TO c")],
    "ALTER TABLE b * RENAME COLUMN x TO y": [Removal(None, "b", "RENAME COLUMN x")],
    "ALTER TABLE b RENAME x TO y": [Removal(None, "b", "RENAME COLUMN x")],
    "ALTER TABLE b SET SCHEMA archive": [Removal(None, "b", "SET SCHEMA archive")],
    "ALTER SCHEMA a RENAME TO b": [Removal("a", None, "RENAME TO b")],
    "ALTER TABLE b ADD c int DEFAULT f(1, 2), DROP COLUMN IF EXISTS d, DROP e": [
        Removal(None, "b", "DROP COLUMN d"),
        Removal(None, "b", "DROP COLUMN e"),
    ],
}

NOTHING_TAKEN = [
    "",
    "DROP",
    "DROP TABLE",
    "DROP INDEX i",
    "DROP FUNCTION f(int)",
    "ALTER TABLE b",
    "ALTER TABLE b ADD COLUMN drop_at int",
    "ALTER TABLE b ADD c text DEFAULT 'x, DROP COLUMN y'",
    "ALTER TABLE b ALTER COLUMN c DROP NOT NULL, ALTER d DROP DEFAULT",
    "ALTER TABLE b DROP CONSTRAINT k, ADD CHECK (x > 1)",
    "ALTER TABLE b RENAME CONSTRAINT k TO l",
    "ALTER TABLE b SET (fillfactor = 70)",
    "ALTER INDEX i RENAME TO j",
    "CREATE TABLE t (x int)",
    "SELECT 'DROP TABLE t'",
    "-- DROP TABLE t",
    "INSERT INTO t VALUES ('DROP TABLE t')",
]


@pytest.mark.parametrize("text", TAKEN)
def test_what_is_dropped_or_renamed_is_found(text: str) -> None:
    assert list(removals(text)) == TAKEN[text]


@pytest.mark.parametrize("text", NOTHING_TAKEN)
def test_what_takes_nothing_away_is_left_alone(text: str) -> None:
    assert removals(text) == ()


def test_a_name_without_a_schema_may_be_in_any() -> None:
    [removal] = removals("DROP TABLE orders")
    assert removal.hits("public", "orders")
    assert removal.hits("shop", "orders")
    assert not removal.hits("public", "order")
