"""Shows a place in SQL to people: line, column, and the lines around it with a caret.

12 | create table orders (
13 |   id bigint primari key
   |             ^
"""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import combining, east_asian_width

_WIDTH = 100
"""Columns of SQL shown; longer lines are cut around the place."""
_TAB = "    "
_NEAR = 10_000
"""Characters before and after the place that are looked at at all."""

Masked = Callable[[str, int], str]
"""Gives a part of a line as people may see it; it begins at that offset of the text."""


def _as_it_is(part: str, offset: int) -> str:
    return part


def locate(text: str, offset: int) -> tuple[int, int]:
    """The 1-based line and column of a character offset; an offset beyond the end is the end."""
    offset = max(0, min(offset, len(text)))
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def excerpt(text: str, offset: int, *, context: int = 2, masked: Masked = _as_it_is) -> str:
    """The lines around an offset with their numbers, and a caret under the very column.

    `masked` is asked for each part of a line before it is cut to the width: what is half cut off
    cannot be known for a secret.
    """
    line, column = locate(text, offset)
    first = max(1, line - context)
    start, end = window(text, offset, context)
    lines = text[start:end].split("\n")
    gutter = len(str(first + len(lines) - 1))
    near = max(0, column - 1 - _NEAR)
    reached, shown = "", []
    for number, content in enumerate(lines, first):
        part = content[near : column + _NEAR].removesuffix("\r")
        shown.append(masked(part, start + near))
        if number == line:
            reached = masked(part[: column - 1 - near], start + near)
        start += len(content) + 1
    left = _cut_at(shown[line - first], len(reached))
    out = []
    for number, content in enumerate(shown, first):
        before = "…" if left and content else ""
        after = "…" if len(content) > left + _WIDTH else ""
        visible = _visible(content[left : left + _WIDTH])
        out.append(f"{number:>{gutter}} | {before}{visible}{after}".rstrip())
        if number == line:
            pad = " " * (_columns(_visible(reached[left:])) + len(before))
            out.append(f"{'':>{gutter}} | {pad}^")
    return "\n".join(out)


def window(text: str, offset: int, context: int = 2) -> tuple[int, int]:
    """Where the lines begin and end that are shown around an offset, the last line break not."""
    start = text.rfind("\n", 0, max(0, min(offset, len(text)))) + 1
    here = end = start
    for _ in range(context):
        start = text.rfind("\n", 0, max(0, start - 1)) + 1
    for _ in range(context + 1):
        end = text.find("\n", end) + 1 or len(text) + 1
        if end > len(text):
            break
    # A file's final line break begins no line worth showing, unless the place is there.
    is_empty = end > len(text) and text.endswith("\n") and here < len(text)
    return start, min(end - 1 - is_empty, len(text))


def _cut_at(content: str, column: int) -> int:
    """The first character shown of a line: 0, unless the place would be off to the right."""
    return 0 if column < _WIDTH - 20 or len(content) <= _WIDTH else column - _WIDTH // 2


def _visible(content: str) -> str:
    """The text as a terminal may show it: tabs as spaces, control characters as a mark."""
    spaced = content.replace("\t", _TAB)
    return "".join("·" if ord(char) < 32 or ord(char) == 127 else char for char in spaced)


def _columns(content: str) -> int:
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in content
    )
