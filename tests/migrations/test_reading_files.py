"""Bytes to text, and when two texts count as the same migration."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nself_tasks.errors import InputError
from nself_tasks.migrations.source import has_statement, read, text_checksum, token_checksum

PATH = PurePosixPath("backend/migrations/1_a.sql")


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read(PATH, b"\xef\xbb\xbfselect 1;").text == "select 1;"


def test_line_endings_stay_in_the_text() -> None:
    assert read(PATH, b"select\r\n1;").text == "select\r\n1;"


@pytest.mark.parametrize(
    ("raw", "line", "named"),
    [
        ("select 1".encode("utf-16"), 1, "UTF-16"),
        (b"\xfe\xff\x00s", 1, "UTF-16"),
        (b"select 1;\nselect \x00 2", 2, "NUL"),
        (b"select 1;\n\nselect '\xe9'", 3, "0xe9"),
    ],
    ids=["UTF-16", "big-endian UTF-16", "a NUL byte", "Latin-1"],
)
def test_bytes_that_are_no_text_are_refused_with_their_line(
    raw: bytes, line: int, named: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(PATH, raw)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (str(PATH), line)
    assert named in problem.message


def test_the_checksum_does_not_depend_on_line_endings() -> None:
    assert text_checksum("a\r\nb\rc") == text_checksum("a\nb\nc")


BASE = "create table t (a int default 1); -- why\nselect 'a  b', $$ x\n $$;\n"
SAME = {
    "another comment": BASE.replace("-- why", "-- because"),
    "a comment inside": BASE.replace("a int", "a /* the /* key */ */ int"),
    "a line comment inside": BASE.replace("a int", "a -- key\n int"),
    "more space": BASE.replace("t (a", "t  (\n\ta").replace("; --", " ;--"),
    "Windows line ends": BASE.replace("\n", "\r\n"),
    "no semicolon at the end": BASE.rstrip().removesuffix(";"),
    "an empty statement": BASE + ";;",
    "restrict lines": f"\\restrict x\n{BASE}\\unrestrict x\n",
}
DIFFERENT = {
    "a literal": BASE.replace("a  b", "a b"),
    "a body": BASE.replace(" x\n", " x \n"),
    "a name": BASE.replace("(a int", "(b int"),
    "a number": BASE.replace("default 1", "default 10"),
    "a directive": f"-- nself: no-transaction\n{BASE}",
    "a statement more": f"{BASE}select 1;",
    "one statement of two": BASE.replace("; --", " --"),
    "space inside a word": BASE.replace("create", "cre ate"),
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_this_edit_changes_nothing_that_is_done(text: str) -> None:
    assert token_checksum(text) == token_checksum(BASE)


@pytest.mark.parametrize("text", DIFFERENT.values(), ids=DIFFERENT)
def test_this_edit_changes_what_is_done(text: str) -> None:
    assert token_checksum(text) != token_checksum(BASE)


def test_copy_data_count_exactly() -> None:
    copy = "copy t from stdin;\n1\t 2\n\\.\n"
    assert token_checksum(copy) != token_checksum(copy.replace("\t ", "\t"))
    assert token_checksum(copy) == token_checksum(copy.replace("t from", "t  from"))


def test_comments_in_a_long_statement_do_not_change_its_tokens() -> None:
    long = "select " + ", ".join("a -> b" for _ in range(500))
    commented = long.replace("a ->", "/* x */ a ->", 3)
    assert token_checksum(long) == token_checksum(commented)


@pytest.mark.parametrize("text", ["select 'a", "do $$", "/*", "(", "\\x", "copy t from stdin;", ""])
def test_broken_sql_has_a_checksum_too(text: str) -> None:
    assert len(token_checksum(text)) == 64
    assert token_checksum(text) != token_checksum(text + "x")


@pytest.mark.parametrize(
    "text",
    ["select 1", "/* a */ select 1", "/* a /* b */ */ x", "\\connect x", "-- a\nselect", "'", ";x"],
)
def test_this_has_a_statement(text: str) -> None:
    assert has_statement(text)


@pytest.mark.parametrize(
    "text",
    ["", " \n;", "-- a", "-- select 1;\n", "/* a */", "/* a /* b */ */;", "\\restrict x\n", "/*"],
)
def test_this_has_no_statement(text: str) -> None:
    assert not has_statement(text)
