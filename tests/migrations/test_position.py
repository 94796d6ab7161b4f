"""Where an offset is, and how a terminal shows it."""

from __future__ import annotations

import pytest

from nself_tasks.migrations.position import excerpt, locate

TEXT = "select 1;\ncreate table t (\n\ta int\n);\nselect 2;\nselect 3;\n"


@pytest.mark.parametrize(
    ("text", "offset", "place"),
    [
        (TEXT, 0, (1, 1)),
        (TEXT, 9, (1, 10)),
        (TEXT, 10, (2, 1)),
        (TEXT, len(TEXT), (7, 1)),
        (TEXT, 10_000, (7, 1)),
        (TEXT, -3, (1, 1)),
        ("", 0, (1, 1)),
        ("é日🎉x", 3, (1, 4)),
        ("a\r\nb", 3, (2, 1)),
    ],
)
def test_lines_and_columns_begin_at_one(text: str, offset: int, place: tuple[int, int]) -> None:
    assert locate(text, offset) == place


def test_the_caret_stands_under_the_column_with_two_lines_around() -> None:
    assert excerpt(TEXT, TEXT.index("a int")) == (
        "1 | select 1;\n2 | create table t (\n3 |     a int\n  |     ^\n4 | );\n5 | select 2;"
    )


def test_context_can_be_none() -> None:
    assert excerpt(TEXT, TEXT.index("t ("), context=0) == (
        "2 | create table t (\n  |              ^"
    )


def test_the_gutter_is_as_wide_as_its_longest_number() -> None:
    text = "\n".join(f"select {n};" for n in range(1, 12))
    assert excerpt(text, text.index("select 9"), context=1) == (
        " 8 | select 8;\n 9 | select 9;\n   | ^\n10 | select 10;"
    )


@pytest.mark.parametrize(
    ("line", "mark", "pad"),
    [("'日本' x", "x", 7), ("'e\u0301' x", "x", 4), ("\t\tx", "x", 8), ("é x", "x", 2)],
    ids=["wide letters", "a combining accent", "tabs", "a narrow letter"],
)
def test_the_caret_counts_columns_of_the_terminal(line: str, mark: str, pad: int) -> None:
    caret = excerpt(line, line.index(mark)).splitlines()[1]
    assert caret == "  | " + " " * pad + "^"


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "a" * 5_000 + "X" + "b" * 5_000
    shown, caret = excerpt(text, 5_000).splitlines()
    assert len(shown) < 120
    assert shown[caret.index("^")] == "X"
    assert shown.startswith("1 | …")
    assert shown.endswith("…")


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in excerpt("select '\x1b[31m'", 3)


def test_windows_line_ends_do_not_show() -> None:
    assert excerpt("a\r\nb\r\n", 3) == "1 | a\n2 | b\n  | ^"


def test_the_end_of_a_file_can_be_shown() -> None:
    assert excerpt("select (\n", 9) == "1 | select (\n2 |\n  | ^"


def test_ten_megabytes_in_one_line_are_shown_fast() -> None:
    assert len(excerpt("a" * 10_000_000, 9_000_000)) < 300
