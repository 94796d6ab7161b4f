"""A file that runs, how it runs, and everything that keeps a file from running."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nself_tasks.errors import InputError, Problem
from nself_tasks.migrations.script import parse, runs, segments, statement_hash
from nself_tasks.migrations.source import read
from nself_tasks.model import Category, Script

PATH = PurePosixPath("backend/migrations/1_a.sql")


def script_of(sql: str) -> Script:
    return parse(read(PATH, sql.encode()))


def problems_of(sql: str) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        script_of(sql)
    return caught.value.problems


def test_a_dump_of_pg_dump_runs() -> None:
    script = script_of(
        "--\n-- PostgreSQL database dump\n--\n\n\\restrict k\n\nSET statement_timeout = 0;\n"
        "SELECT pg_catalog.set_config('search_path', '', false);\n"
        "CREATE TABLE public.t (a integer);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n\n\n"
        "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict k\n\n"
    )
    assert [s.category for s in script.statements] == [
        Category.SESSION,
        Category.SESSION,
        Category.TRANSACTIONAL,
        Category.TRANSACTIONAL,
    ]


# What is declared

DECLARED = {
    "as the first line": "-- nself: no-transaction\ncall p();",
    "without a space": "--nself:no-transaction\ncall p();",
    "after other comments": "-- why\n/* how */\n-- nself: no-transaction \r\ncall p();",
    "in capitals": "-- NSELF: No-Transaction\ncall p();",
}
NOT_DECLARED = {
    "not at all": "call p();",
    "in a string": "select '\n-- nself: no-transaction\n';",
    "in a body": "do $$\n-- nself: no-transaction\nbegin end $$;",
    "in COPY data": "copy t from stdin;\n-- nself: no-transaction\n\\.\n",
    "in a block comment": "/*\n-- nself: no-transaction\n*/ select 1;",
    "behind a statement": "select 1; -- nself: no-transaction",
    "in prose": "-- the nself: no-transaction word\nselect 1;",
    "by drizzle's mark": "select 1;--> statement-breakpoint\nselect 2;",
}


@pytest.mark.parametrize("sql", DECLARED.values(), ids=DECLARED)
def test_no_transaction_is_declared(sql: str) -> None:
    assert script_of(sql).no_transaction


@pytest.mark.parametrize("sql", NOT_DECLARED.values(), ids=NOT_DECLARED)
def test_no_transaction_is_not_declared(sql: str) -> None:
    assert not script_of(sql).no_transaction


# The outer pair

PAIRS = {
    "plain": "begin; select 1; commit;",
    "in other words": "-- c\nSTART TRANSACTION;\nselect 1;\nEND TRANSACTION",
    "with work": "begin work; select 1; commit work;",
    "with a comment": "begin /* now */ transaction; select 1; -- x\ncommit;",
}
NO_PAIRS = {
    "only begin": ("begin; select 1;", 1),
    "only commit": ("select 1; commit;", 1),
    "with modes": ("begin isolation level serializable; select 1; commit;", 2),
    "two of them": ("begin; select 1; commit; begin; select 2; commit;", 2),
    "not around everything": ("set a.b = 1; begin; select 1; commit;", 2),
    "rolled back": ("begin; select 1; rollback;", 2),
    "in a chain": ("begin; select 1; commit and chain;", 2),
}


@pytest.mark.parametrize("sql", PAIRS.values(), ids=PAIRS)
def test_one_outer_pair_is_taken_off(sql: str) -> None:
    assert [statement.text for statement in script_of(sql).statements] == ["select 1"]


@pytest.mark.parametrize(("sql", "count"), NO_PAIRS.values(), ids=NO_PAIRS)
def test_other_transaction_control_is_refused(sql: str, count: int) -> None:
    found = problems_of(sql)
    assert len(found) == count
    assert all("is transaction control" in problem.message for problem in found)


def test_a_statement_that_must_be_alone_is_refused_within_the_pair() -> None:
    (problem,) = problems_of("begin;\ncreate index concurrently i on t (a);\ncommit;")
    assert problem.line == 2
    assert "CREATE INDEX CONCURRENTLY cannot run between BEGIN and COMMIT" in problem.message


def test_the_pair_contradicts_the_declaration() -> None:
    (problem,) = problems_of("-- nself: no-transaction\nbegin;\ncall p();\ncommit;")
    assert problem.line == 2
    assert "contradicts" in problem.message


# What is refused

REFUSED = {
    "an unknown word": ("-- nself: no-transactions\nselect 1;", 1, "`-- nself: no-transaction`"),
    "the word too late": ("select 1;\n-- nself: no-transaction\n", 2, "before the first statement"),
    "the word within a statement": ("select\n-- nself: no-transaction\n1;", 2, "before the first"),
    "goose": ("-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;", 1, "goose"),
    "goose within a statement": ("select 1\n-- +goose Down\n;", 2, "goose"),
    "dbmate": ("-- migrate:up\nselect 1;", 1, "dbmate"),
    "dbmate with an option": ("-- migrate:up transaction:false\nselect 1;", 1, "dbmate"),
    "sql-migrate": ("-- +migrate Up\nselect 1;", 1, "sql-migrate"),
    "micrate": ("-- +micrate Up\nselect 1;", 1, "micrate"),
    "plain sections": ("select 1;\n\n-- DOWN\nselect 2;", 3, "DOWN sections"),
    "a psql command": ("select 1;\n\\c other\n", 2, r"`\c`"),
    "an unterminated string": ("select 1;\nselect 'a;\n", 2, "never ends"),
    "DISCARD ALL": ("discard all;", 1, "DISCARD ALL"),
    "COPY to the client": ("\ncopy t to stdout;", 2, "COPY"),
    "no statement": ("-- nothing\n", 1, "no statement"),
    "an empty pair": ("begin; commit;", 1, "no statement"),
}
KEPT = {
    "a sentence about down": "-- Down below we add rows\nselect 1;",
    "up in a block comment": "/*\n-- UP\n*/\nselect 1;",
    "a mark in a string": "select '\n-- migrate:down\n';",
    "a mark in a body": "do $$\n-- DOWN\nbegin end $$;",
    "a mark in COPY data": "copy t from stdin;\n-- DOWN\n\\.\n",
    "a mark behind a statement": "select 1; -- up",
    "a word about goose": "-- from goose\nselect 1;",
}


@pytest.mark.parametrize(("sql", "line", "named"), REFUSED.values(), ids=REFUSED)
def test_this_is_refused_with_its_line(sql: str, line: int, named: str) -> None:
    (problem,) = problems_of(sql)
    assert (problem.path, problem.line) == (str(PATH), line)
    assert named in problem.message


@pytest.mark.parametrize("sql", KEPT.values(), ids=KEPT)
def test_this_is_not_refused(sql: str) -> None:
    assert len(script_of(sql).statements) == 1


def test_all_problems_of_a_file_come_in_one_error_in_their_order() -> None:
    found = problems_of("-- UP\nselect 1;\n\\x\nsavepoint a;\n-- nself: foo\nselect 'a")
    assert [problem.line for problem in found] == [1, 3, 4, 5, 6]


def test_the_error_names_the_file() -> None:
    with pytest.raises(InputError, match=r"backend/migrations/1_a\.sql cannot be run"):
        script_of("commit;")


# How it runs

SEGMENTS = {
    "one statement": ("select 1;", ("1 transaction: 1 statement",)),
    "several": ("select 1; set a.b = 1; do ''; call p();", ("1 transaction: 4 statements",)),
    "an index in the middle": (
        "create table t (); select 1; create index concurrently i on t (a); select 2;",
        (
            "transaction: statements 1-2",
            "alone: statement 3 (CREATE INDEX CONCURRENTLY)",
            "transaction: statement 4",
        ),
    ),
    "two that are alone": (
        "vacuum t; vacuum u;",
        ("alone: statement 1 (VACUUM)", "alone: statement 2 (VACUUM)"),
    ),
    "declared": (
        "-- nself: no-transaction\nselect 1; call p();",
        ("transaction: statement 1", "alone: statement 2 (CALL may commit by itself)"),
    ),
}


@pytest.mark.parametrize(("sql", "expected"), SEGMENTS.values(), ids=SEGMENTS)
def test_the_plan_says_how_it_runs(sql: str, expected: tuple[str, ...]) -> None:
    assert segments(script_of(sql)) == expected


@pytest.mark.parametrize("sql", [sql for sql, _ in SEGMENTS.values()], ids=SEGMENTS)
def test_the_runs_hold_every_statement_once(sql: str) -> None:
    script = script_of(sql)
    assert sum((run.statements for run in runs(script)), ()) == script.statements


def test_a_hash_ignores_comments_and_space() -> None:
    one, two, other = script_of("select 1 -- a\n, 2; select /* b */ 1,2; select 12;").statements
    assert statement_hash(one) == statement_hash(two) != statement_hash(other)


def test_a_hash_counts_copy_data() -> None:
    copies = "copy t from stdin;\n1\n\\.\ncopy t from stdin;\n2\n\\.\n"
    one, two = script_of(copies).statements
    assert statement_hash(one) != statement_hash(two)
