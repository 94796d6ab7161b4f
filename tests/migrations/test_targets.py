"""The object that a statement is about, named as its author wrote it."""

from __future__ import annotations

import pytest

from nself_tasks.migrations.targets import (
    DetachedPartition,
    IndexTarget,
    NamedObject,
    detached_partition,
    dropped_index,
    index_target,
    named_object,
    stored_name,
)

INDEXES = {
    "create index concurrently i on t (a)": IndexTarget("i", "t", True, False),
    'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I x" ON ONLY s . "T" USING btree (a)': (
        IndexTarget('"I x"', 's."T"', True, True)
    ),
    "create index concurrently on s.t (a)": IndexTarget(None, "s.t", True, False),
    "create /* c */ index if not exists i -- d\n on t(a)": IndexTarget("i", "t", False, True),
    "create index größe on _t (a)": IndexTarget("größe", "_t", False, False),
}

NO_INDEX = ["create table t (i int)", "create index", "drop index concurrently i", "", "create"]


@pytest.mark.parametrize(("sql", "target"), INDEXES.items())
def test_this_index_is_made(sql: str, target: IndexTarget) -> None:
    assert index_target(sql) == target


@pytest.mark.parametrize("sql", NO_INDEX)
def test_this_makes_no_index(sql: str) -> None:
    assert index_target(sql) is None


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("drop index concurrently i", "i"),
        ('drop index concurrently if exists s."I" cascade', 's."I"'),
        ("drop index i", None),
        ("drop table concurrently", None),
    ],
)
def test_an_index_is_dropped_concurrently(sql: str, name: str | None) -> None:
    assert dropped_index(sql) == name


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("alter table p detach partition c", ("p", "c")),
        ('alter table if exists only s.p detach partition "C" concurrently', ("s.p", '"C"')),
        ("alter table p attach partition c default", None),
        ("alter table p add column detach int", None),
    ],
)
def test_a_partition_is_detached(sql: str, found: tuple[str, str] | None) -> None:
    assert detached_partition(sql) == (DetachedPartition(*found) if found else None)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("create database d owner o", ("CREATE", "DATABASE", "d")),
        ('drop database if exists "D"', ("DROP", "DATABASE", '"D"')),
        ("create tablespace s location '/x'", ("CREATE", "TABLESPACE", "s")),
        ("drop subscription s", ("DROP", "SUBSCRIPTION", "s")),
        ("create table database (id int)", None),
        ("alter database d rename to e", None),
    ],
)
def test_an_object_outside_of_schemas_is_named(
    sql: str, found: tuple[str, str, str] | None
) -> None:
    assert named_object(sql) == (NamedObject(*found) if found else None)


@pytest.mark.parametrize(
    ("written", "stored"), [("Orders", "orders"), ('"Or""ders"', 'Or"ders'), ("ÄRGER", "Ärger")]
)
def test_a_name_is_stored_as_postgres_folds_it(written: str, stored: str) -> None:
    assert stored_name(written) == stored
