"""Shows a place in SQL to people: line, column, and the lines around it with a caret.

12 | create table orders (
13 |   id bigint primari key
   |             ^
"""

from __future__ import annotations

from unicodedata import combining, east_asian_width

_WIDTH = 100
"""Columns of SQL shown; longer lines are cut around the place."""
_TAB = "    "


def locate(text: str, offset: int) -> tuple[int, int]:
    """The 1-based line and column of a character offset; an offset beyond the end is the end."""
    offset = max(0, min(offset, len(text)))
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def excerpt(text: str, offset: int, *, context: int = 2) -> str:
    """The lines around an offset with their numbers, and a caret under the very column."""
    line, column = locate(text, offset)
    first = max(1, line - context)
    shown = _lines(text, offset, line - first, context)
    gutter = len(str(first + len(shown) - 1))
    left = _cut_at(shown[line - first], column - 1)
    out = []
    for number, content in enumerate(shown, first):
        visible = _visible(content[left : left + _WIDTH])
        before = "…" if left and content else ""
        after = "…" if len(content) > left + _WIDTH else ""
        out.append(f"{number:>{gutter}} | {before}{visible}{after}".rstrip())
        if number == line:
            reached = _visible(content[left : column - 1])
            pad = " " * (_columns(reached) + len(before))
            out.append(f"{'':>{gutter}} | {pad}^")
    return "\n".join(out)


def _lines(text: str, offset: int, before: int, after: int) -> list[str]:
    """The line at `offset` with its neighbours, without splitting the whole text."""
    start = text.rfind("\n", 0, max(0, min(offset, len(text)))) + 1
    end = start
    for _ in range(before):
        start = text.rfind("\n", 0, start - 1) + 1
    for _ in range(after + 1):
        end = text.find("\n", end) + 1 or len(text) + 1
        if end > len(text):
            break
    lines = [line.removesuffix("\r") for line in text[start : end - 1].split("\n")]
    # A file's final line break begins no line worth showing, unless the place is there.
    return lines[:-1] if len(lines) > before + 1 and not lines[-1] and end > len(text) else lines


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
