"""What holds for every `.env` text, and how the texts of real projects are read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nself_tasks.rewriting import expansion
from nself_tasks.rewriting.dotenv import Assignment, interpolate, parse, read

PIECES = [
    "A",
    "B_1",
    "=",
    ":",
    " ",
    "\n",
    "\r\n",
    "'",
    '"',
    "#",
    "\\",
    "$",
    "${",
    "}",
    ":-",
    "export ",
]
JUNK = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))


def values(text: str) -> dict[str, str | None]:
    return {a.key: a.value for a in parse(text)}


def resolved(text: str, **environ: str) -> dict[str, str]:
    return interpolate({a.key: a for a in parse(text)}, environ)


# --- laws ---


@given(JUNK)
def test_spans_slice_back_to_the_text(text: str) -> None:
    for a in parse(text):
        written = text[slice(*a.value_span)]
        assert text[slice(*a.key_span)] == a.key
        assert written == (a.value or "") if not a.quote else written[0] == written[-1] == a.quote


@given(JUNK)
def test_spans_come_in_order_and_do_not_overlap(text: str) -> None:
    ends = [offset for a in parse(text) for offset in (*a.key_span, *a.value_span)]
    assert ends == sorted(ends)


@given(JUNK)
def test_lines_are_those_of_the_keys(text: str) -> None:
    for a in parse(text):
        assert a.line == text.count("\n", 0, a.key_span[0]) + 1


@given(JUNK)
def test_problems_never_quote_the_text(text: str) -> None:
    said = {problem.message for problem in read(text).problems}
    assert said <= {
        "not an assignment",
        "the quoted value is never closed",
        "text after the closing quote is ignored",
    }


@given(JUNK, st.dictionaries(st.sampled_from(["A", "B_1", "C"]), st.text(max_size=5)))
def test_expanding_ends(text: str, environ: dict[str, str]) -> None:
    interpolate({a.key: a for a in parse(text)}, environ)


@given(st.text(alphabet=st.characters(exclude_characters="'\\", exclude_categories=["Cs"])))
def test_whatever_is_in_single_quotes_is_the_value(value: str) -> None:
    assert resolved(f"A='{value}'\n") == {"A": value}


@given(st.text(alphabet='abc $\\"\n\r\t{}#'))
def test_an_escaped_value_in_double_quotes_comes_back(value: str) -> None:
    escapes = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\", "$": "\\$"}
    written = "".join(escapes.get(character, character) for character in value)
    assert resolved(f'A="{written}"') == {"A": value}


@pytest.mark.parametrize(
    "text",
    [
        'A="\n' * 100_000,
        "A='\\" * 100_000,
        "A=" + "${A:-" * 60_000 + "x" * 300_000 + "}" * 60_000,
        "\n".join(f"A{i}=$A{i + 1}" for i in range(30_000)),
        "\n".join(f"A{i}=$A{i + 1}$A{i + 1}xx" for i in range(300)),
        "A=b" + " #" * 200_000,
        "A=b" + "${" * 200_000,
        "export " * 100_000,
    ],
    ids=[
        "open quotes",
        "backslashes",
        "nested",
        "chain",
        "doubling",
        "comments",
        "opens",
        "export",
    ],
)
def test_the_time_is_linear(text: str) -> None:
    began = time.process_time()
    resolved(text)
    assert time.process_time() - began < 5


# --- reading ---


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("A: b", "b"),
        ("  A = b  ", "b"),
        ("\ufeffA=b", "b"),
        ("A=b\r\n", "b"),
        ("A=local  # comment", "local"),
        ("A=local\t# comment", "local"),
        ("A= # Required for mail", ""),
        ("A=", ""),
        ("A=''", ""),
        ("A=b c d", "b c d"),
        ('A="false   # Optional"', "false   # Optional"),
        ('A=\'{"type":"HS256","key":"x"}\' # JWT', '{"type":"HS256","key":"x"}'),
        ("A='a\nb'", "a\nb"),
        ('A="a\\nb\\t\\"c\\""', 'a\nb\t"c"'),
        ('A="C:\\dir"', "C:\\dir"),
        ("A=x=y", "x=y"),
        ("A=1\nA=2", "2"),
    ],
)
def test_is_read(text: str, value: str) -> None:
    assert values(text)["A"] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b#c", "b#c"),
        ("A=#c", "#c"),
        ("A='\\n'", "\\n"),
        ("A=a\\nb", "a\\nb"),
        ("A='$B'", "$B"),
        ("A=it's", "it's"),
    ],
)
def test_is_taken_literally(text: str, value: str) -> None:
    assert resolved(text) == {"A": value}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# A=b",
        "   # A=b",
        "hello world",
        "A-B=c",
        "A B=c",
        "=b",
        "┌──── ɳSelf ────┐",
        'A="never closed',
        "A='never closed\n",
    ],
)
def test_is_no_assignment(text: str) -> None:
    assert parse(text) == ()


def test_a_key_inside_a_quoted_value_is_no_assignment() -> None:
    assert list(values("A='x\nB=y\n'\nC=z")) == ["A", "C"]


def test_a_line_that_means_nothing_is_reported_and_the_next_one_is_read() -> None:
    found = read("what is this\nB=c")
    assert [p.line for p in found.problems] == [1]
    assert [a.key for a in found.assignments] == ["B"]


def test_text_after_a_closing_quote_is_reported_and_is_no_assignment() -> None:
    found = read("A='b' B=c\nC=d")
    assert [a.key for a in found.assignments] == ["A", "C"]
    assert len(found.problems) == 1


def test_comments_and_blank_lines_are_no_problems() -> None:
    assert read("# a\n\n   \nA=b # c\nB='c' # d\n").problems == ()


def test_an_assignment_knows_its_quotes_and_export() -> None:
    a = Assignment("A", "b", '"', 2, (8, 9), (10, 13), export=True)
    assert parse('\nexport A="b"') == (a,)


# --- expanding ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${X}", "x"),
        ("$X", "x"),
        ("$X/y", "x/y"),
        ("${NO}", ""),
        ("${NO:-d}", "d"),
        ("${NO-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${X:-d}", "x"),
        ("${X:+y}", "y"),
        ("${NO:+y}", ""),
        ("${EMPTY+y}", "y"),
        ("${EMPTY:+y}", ""),
        ("${X:?e}", "x"),
        ("${NO:?e}", ""),
        ("${NO:-${X}}", "x"),
        ("${NO:-a${NO:-b}c}", "abc"),
        ("$$X", "$X"),
        ("$$$X", "$x"),
    ],
)
def test_is_expanded(value: str, expected: str) -> None:
    assert resolved(f"A={value}\nX=x\nEMPTY=")["A"] == expected


@pytest.mark.parametrize("value", ["$", "$1", "${}", "${X", "${X Y}", "a}b", "${ X}", "100%"])
def test_is_not_expanded(value: str) -> None:
    assert resolved(f"A={value}\nX=x")["A"] == value


def test_a_dollar_that_was_escaped_is_no_variable() -> None:
    assert resolved('A="\\$X"\nX=x')["A"] == "$X"


def test_an_expanded_value_is_not_expanded_again() -> None:
    assert resolved("A=$B\nB='$C'\nC=c")["A"] == "$C"


def test_files_win_over_the_process() -> None:
    assert resolved("A=$X\nX=file", X="process")["A"] == "file"


def test_the_process_fills_in_what_the_files_do_not_have() -> None:
    assert resolved("A=$X", X="process")["A"] == "process"


def test_a_bare_key_inherits() -> None:
    assert resolved("A", A="process") == {"A": "process"}


def test_a_bare_key_without_a_process_value_is_no_key() -> None:
    assert resolved("A") == {}


def test_a_cycle_is_empty() -> None:
    assert resolved("A=$B\nB=$A") == {"A": "", "B": ""}


def test_a_reference_to_itself_means_the_process() -> None:
    assert resolved("A=$A:b", A="a") == {"A": "a:b"}


def test_expansion_does_not_grow_without_bound() -> None:
    doubling = "\n".join(f"A{i}=$A{i + 1}$A{i + 1}" for i in range(60)) + "\nA60=x"
    assert sum(map(len, resolved(doubling).values())) < 3 * expansion.LARGEST
