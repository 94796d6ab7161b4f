"""What each statement is to a transaction; as many decoys as real ones."""

from __future__ import annotations

import pytest

from nself_tasks.migrations.classify import classify, refusal
from nself_tasks.model import Category

STANDALONE = {
    "create index concurrently i on t (a)": "CREATE INDEX CONCURRENTLY",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)": "CREATE INDEX CONCURRENTLY",
    "CREATE /* x */ INDEX -- y\n CONCURRENTLY ON t (a)": "CREATE INDEX CONCURRENTLY",
    "drop index concurrently if exists i": "DROP INDEX CONCURRENTLY",
    "reindex table concurrently t": "REINDEX CONCURRENTLY",
    "reindex (concurrently) index i": "REINDEX CONCURRENTLY",
    "reindex (verbose, concurrently on) table t": "REINDEX CONCURRENTLY",
    "reindex (verbose) table concurrently t": "REINDEX CONCURRENTLY",
    "reindex schema s": "REINDEX SCHEMA",
    "reindex database d": "REINDEX DATABASE",
    "reindex (concurrently false) system d": "REINDEX SYSTEM",
    "vacuum": "VACUUM",
    "vacuum (analyze) t": "VACUUM",
    "cluster": "CLUSTER of every table",
    "cluster verbose": "CLUSTER of every table",
    "cluster (verbose)": "CLUSTER of every table",
    "create database d": "CREATE DATABASE",
    "drop database if exists d": "DROP DATABASE",
    "alter database d set tablespace s": "ALTER DATABASE … SET TABLESPACE",
    "create tablespace s location '/x'": "CREATE TABLESPACE",
    "drop tablespace s": "DROP TABLESPACE",
    "alter system set work_mem = '1MB'": "ALTER SYSTEM",
    "alter table only a.p detach partition a.c concurrently": (
        "ALTER TABLE … DETACH PARTITION … CONCURRENTLY"
    ),
    "create subscription s connection 'c' publication p": (
        "CREATE SUBSCRIPTION with a replication slot"
    ),
    "create subscription s connection 'c' publication p with (enabled = false)": (
        "CREATE SUBSCRIPTION with a replication slot"
    ),
    "drop subscription s": "DROP SUBSCRIPTION",
    "alter subscription s refresh publication": "ALTER SUBSCRIPTION … REFRESH",
    "alter subscription s set publication p": "ALTER SUBSCRIPTION … SET PUBLICATION",
    "alter subscription s add publication p with (copy_data = false)": (
        "ALTER SUBSCRIPTION … ADD PUBLICATION"
    ),
    "alter subscription s drop publication p": "ALTER SUBSCRIPTION … DROP PUBLICATION",
    "alter subscription s set (failover = true)": "ALTER SUBSCRIPTION … SET (failover)",
}

TRANSACTIONAL = [
    "create table vacuum_log (id int)",
    "create index concurrently_idx on t (a)",
    'create index "concurrently" on t (a)',
    "create index i on t (a) -- concurrently",
    "create /* index concurrently */ table t (id int)",
    "comment on index i is 'create index concurrently'",
    "select 'vacuum'",
    "analyze t",
    "analyze",
    "cluster t using i",
    "cluster verbose t",
    "cluster (verbose) t",
    "alter database d set work_mem = '1MB'",
    "alter table t detach partition c",
    "alter table t detach partition c finalize",
    "alter table t add column concurrently_built bool",
    'alter table p detach partition "concurrently"',
    "alter type mood add value 'fine'",
    "refresh materialized view concurrently m",
    "create subscription s connection 'c' publication p with (connect = false)",
    "create subscription s connection 'c' publication p with (slot_name = 'x', create_slot=off)",
    "alter subscription s set publication p with (refresh = false)",
    "alter subscription s disable",
    "alter subscription s set (slot_name = none)",
    "alter tablespace s rename to r",
    "create view database as select 1",
    "drop table subscription",
    "drop index i",
    "set local work_mem = '1MB'",
    "set constraints all deferred",
    "select set_config('a.b', 'c', true)",
    "select set_config('a.b', 'c', false) from t",
    "select set_config('a.b', 'c', false), 1 + (2)",
    "select my_set_config('a', 'b', false)",
    "explain select 1",
    "checkpoint",
    "listen x",
    "",
    "-- only a comment",
    "'",
]

SESSION = [
    "set search_path = a, b",
    "SET SESSION work_mem TO '1MB'",
    "set role r",
    "set session authorization r",
    "reset all",
    "reset role",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "select set_config('a.b', 'c', false)",
]

UNDECIDABLE = ["call p()", "do $$ begin commit; end $$", "reindex table t", "REINDEX INDEX a.i"]


@pytest.mark.parametrize(("sql", "reason"), STANDALONE.items())
def test_this_cannot_run_in_a_transaction(sql: str, reason: str) -> None:
    assert classify(sql) == (Category.STANDALONE, reason)


@pytest.mark.parametrize("sql", TRANSACTIONAL)
def test_this_runs_in_a_transaction(sql: str) -> None:
    assert classify(sql) == (Category.TRANSACTIONAL, None)


@pytest.mark.parametrize("sql", SESSION)
def test_this_is_replayed_before_a_resume(sql: str) -> None:
    assert classify(sql)[0] is Category.SESSION


@pytest.mark.parametrize("sql", UNDECIDABLE)
def test_only_its_author_knows_whether_this_commits(sql: str) -> None:
    assert classify(sql)[0] is Category.UNDECIDABLE


def test_a_long_statement_is_classified_by_its_head() -> None:
    assert classify("insert into t values " + "(1)," * 1_000_000)[0] is Category.TRANSACTIONAL


REFUSED = {
    "begin": "BEGIN",
    "BEGIN ISOLATION LEVEL SERIALIZABLE": "BEGIN",
    "start transaction read only": "START TRANSACTION",
    "/* now */ commit and chain": "COMMIT",
    "end": "END",
    "rollback": "ROLLBACK",
    "rollback to savepoint a": "ROLLBACK",
    "abort": "ABORT",
    "savepoint a": "SAVEPOINT",
    "release a": "RELEASE",
    "prepare transaction 'x'": "PREPARE TRANSACTION",
    "commit prepared 'x'": "COMMIT PREPARED",
    "rollback prepared 'x'": "ROLLBACK PREPARED",
    "set transaction read only": "SET TRANSACTION",
    "set session characteristics as transaction read only": "SET SESSION CHARACTERISTICS",
    "set transaction_read_only = on": "SET transaction_read_only",
    "set session default_transaction_read_only to true": "SET default_transaction_read_only",
    "set transaction_isolation = 'serializable'": "SET transaction_isolation",
    "discard all": "DISCARD ALL",
    "copy t to stdout": "COPY",
    "copy (select 1) to stdout with (format csv)": "COPY",
}

ALLOWED = [
    "select 1",
    "prepare q as select 1",
    "set default_transaction_read_only = off",
    "set default_transaction_isolation = 'serializable'",
    "set search_path = begin_schema",
    "discard plans",
    "discard temp",
    "create table commit (id int)",
    "do $$ begin null; end $$",
    "-- begin\nselect 1",
    "'begin'",
    '"begin"',
    "copy t to '/tmp/stdout'",
    "copy t from stdin",
    "copy (select a from x to_stdout) to '/tmp/a'",
    "",
]


@pytest.mark.parametrize(("sql", "name"), REFUSED.items())
def test_this_is_refused_by_name(sql: str, name: str) -> None:
    assert (refusal(sql) or "").startswith(name + " ")


@pytest.mark.parametrize("sql", ALLOWED)
def test_this_is_not_refused(sql: str) -> None:
    assert refusal(sql) is None
