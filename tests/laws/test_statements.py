"""Laws of cutting SQL, held against Postgres' own scanner and against real projects."""

from __future__ import annotations

from pathlib import Path

import pglast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nself_tasks.migrations.classify import classify, refusal
from nself_tasks.migrations.lexer import tokens
from nself_tasks.migrations.position import excerpt, locate
from nself_tasks.migrations.source import has_statement, token_checksum
from nself_tasks.migrations.statements import scan, split

SNIPPETS = [
    *"'\"$();\\-/*eE&uU\n\r\t a1_é\xa0.,:=+<",
    *["$$", "$a$", "$1", "--", "/*", "*/", "E'", "''", "\\.", "\n\\.\n", "copy t from stdin;\n"],
    *["create function ", "begin ", "case ", "end ", "begin atomic ", "-- nself: x\n", "select "],
]
BROKEN = st.lists(st.sampled_from(SNIPPETS), max_size=40).map("".join) | st.text(max_size=60)

# Statements that the parser of Postgres accepts; a test below holds them to that.
EXPRESSIONS = [
    *["1", "'a;b'", "'it''s'", r"'\'", r"E'\';'", "E'a'\n'b\\';'", r"U&'\0061;'", "$$;$$"],
    *["$x$ ; $$ ; $y$ $x$", '"a;b"', "a$b$", "f(1, (2))", "1.5e3", "-1", "a -> 'b'", "$1", ".5"],
    *["case when true then 1 end", "/* ; /* ' */ */ 2", "3 -- ;'\n", "4 +-- $$\n5", "x''", "1*-2"],
    *["E'a' -- c\n 'b\\';'", "größe", 'U&"d;"', "a@>b", "B'1'", "7/8", "N'x;'"],
]
STATEMENTS = [
    "create table t (a int, b text default ';')",
    "create function f() returns int language sql as $f$ select 1; select 2 $f$",
    "create function f() returns int begin atomic select 1; select case 1 when 1 then 2 end; end",
    "create or replace procedure p(a int) begin atomic insert into t values (1); end",
    "create rule r as on insert to t do also (select 1; select 2)",
    "do $$ begin if true then null; end if; end $$",
    "begin",
    "end",
    "create index concurrently i on t (a)",
    "comment on table t is 'a -- b /* c'",
]
GAPS = st.sampled_from(["", " ", "\n", "\r\n", "-- ; '\n", "/* ; $$ */", "/* a /* ; */ */ ", ";"])
SELECTS = st.lists(st.sampled_from(EXPRESSIONS), min_size=1, max_size=4).map(
    lambda parts: "select " + " , ".join(parts)
)
WELL_FORMED = st.lists(st.tuples(GAPS, SELECTS | st.sampled_from(STATEMENTS)), max_size=6).map(
    lambda parts: "".join(f"{gap}{sql}\n;" for gap, sql in parts)
)


def without_comments(statements: tuple[str, ...]) -> list[list[str]]:
    return [list(tokens(statement)) for statement in statements]


@given(BROKEN | WELL_FORMED)
@settings(max_examples=500, deadline=None)
def test_slices_and_gaps_give_back_the_file(text: str) -> None:
    at, rebuilt = 0, ""
    for piece in scan(text).pieces:
        assert piece.start >= at
        rebuilt += text[at : piece.start] + piece.text
        at = piece.start + len(piece.text)
    assert rebuilt + text[at:] == text


@given(BROKEN | WELL_FORMED)
@settings(max_examples=300, deadline=None)
def test_a_statement_is_never_blank_and_begins_on_its_line(text: str) -> None:
    for piece in scan(text).pieces:
        assert piece.text.strip(" \t\n\r\f\v")
        assert piece.line == text.count("\n", 0, piece.start) + 1


@given(BROKEN)
@settings(max_examples=500, deadline=None)
def test_no_text_breaks_the_readers(text: str) -> None:
    classify(text)
    refusal(text)
    token_checksum(text)
    for offset in (0, len(text) // 2, len(text)):
        line, _ = locate(text, offset)
        assert f"{line} |" in excerpt(text, offset)


@given(BROKEN | WELL_FORMED)
@settings(max_examples=300, deadline=None)
def test_the_fast_look_finds_every_statement_that_cutting_finds(text: str) -> None:
    if scan(text).pieces:
        assert has_statement(text)


@given(WELL_FORMED)
@settings(max_examples=200, deadline=None)
def test_cutting_a_statement_again_changes_nothing(text: str) -> None:
    for piece in split(text):
        assert [again.text for again in split(piece.text)] == [piece.text]


@given(WELL_FORMED)
@settings(max_examples=400, deadline=None)
def test_the_parser_of_postgres_cuts_at_the_same_places(text: str) -> None:
    ours = tuple(piece.text for piece in split(text))
    assert without_comments(ours) == without_comments(pglast.split(text))


@given(st.lists(SELECTS, max_size=6), GAPS)
@settings(max_examples=300, deadline=None)
def test_the_scanner_of_postgres_cuts_at_the_same_places(parts: list[str], gap: str) -> None:
    text = "".join(f"{gap}{part}\n;" for part in parts)
    theirs = pglast.split(text, with_parser=False)
    assert without_comments(tuple(p.text for p in split(text))) == without_comments(theirs)


@pytest.mark.parametrize("sql", [*STATEMENTS, *(f"select {e}\n" for e in EXPRESSIONS)])
def test_what_the_laws_are_built_of_is_sql(sql: str) -> None:
    assert len(pglast.split(sql)) == 1


@pytest.mark.corpus
def test_real_projects_are_cut_as_postgres_cuts_them(corpus: Path) -> None:
    accepted, different = 0, []
    for path in sorted(corpus.rglob("*.sql")):
        text = path.read_bytes().decode("utf-8-sig", "replace")
        try:
            theirs = pglast.split(text)
        except pglast.Error:
            continue
        accepted += 1
        ours = scan(text)
        same = without_comments(tuple(p.text for p in ours.pieces)) == without_comments(theirs)
        if ours.faults or not same:
            different.append(str(path.relative_to(corpus)))
    assert different == []
    assert accepted
