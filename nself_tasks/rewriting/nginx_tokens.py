r"""Reads nginx's configuration as nginx does, keeping where everything stands.

    server { listen 80; }  ->  Directive("server", (), …, block=(Directive("listen", …),))

A word ends at white space, `;` or `{`, but not at the brace of `${name}`; `#` begins a comment only
where a word could begin.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nself_tasks.errors import Problem

DEEPEST = 50
"""Blocks inside of each other; real files have five."""


@dataclass(frozen=True, slots=True)
class Word:
    """One argument, its quotes and escapes resolved; the span has them."""

    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive from its name to its `;` or `}`."""

    name: str
    args: tuple[Word, ...]
    start: int
    end: int
    line: int
    block: tuple[Directive, ...] | None = None

    def values(self) -> tuple[str, ...]:
        """Give the arguments' values."""
        return tuple(arg.value for arg in self.args)


_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*+")
_WORD = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""
    r"""|(?P<bare>(?:\$\{+|\\.|[^ \t\r\n;{\\])++)""",
    re.DOTALL,
)
_AFTER_QUOTE = re.compile(r"[ \t\r\n;{)]|\Z")
_ESCAPE = re.compile(r"""\\(["'\\trn])""")
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}


@dataclass(slots=True)
class _Open:
    """A block whose `}` has not come yet."""

    head: tuple[Word, ...]
    found: list[Directive]


def read(text: str) -> tuple[Directive, ...] | Problem:
    """Give the directives of a file, or where and why it is none."""
    breaks = [match.start() for match in re.finditer("\n", text)]
    stack = [_Open((), [])]
    words: list[Word] = []
    at = _blank(text, 1 if text.startswith("\ufeff") else 0)
    while at < len(text):
        mark = text[at]
        if mark in ";{}":
            if trouble := _misplaced(mark, words, stack):
                return _problem(text, at, trouble)
            if mark == ";":
                stack[-1].found.append(_directive(breaks, words, at + 1, None))
            elif mark == "{":
                stack.append(_Open(tuple(words), []))
            else:
                closed = stack.pop()
                made = _directive(breaks, closed.head, at + 1, tuple(closed.found))
                stack[-1].found.append(made)
            words = []
            at = _blank(text, at + 1)
        else:
            word = _word(text, at)
            if isinstance(word, Problem):
                return word
            words.append(word)
            at = _blank(text, word.end)
    if words or len(stack) > 1:
        first = words[0] if words else stack[-1].head[0]
        return _problem(text, first.start, f"`{first.value[:40]}` is never ended")
    return tuple(stack[0].found)


def _blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _misplaced(mark: str, words: list[Word], stack: list[_Open]) -> str | None:
    """Say why a `;` or a brace cannot stand here."""
    if (mark in ";{" and not words) or (mark == "}" and (words or len(stack) == 1)):
        return f"unexpected `{mark}`"
    if mark == "{" and len(stack) >= DEEPEST:
        return "blocks are nested too deeply"
    return None


def walk(found: tuple[Directive, ...]) -> Iterator[tuple[Directive, Directive | None]]:
    """Give every directive with the block that it stands in, in the order of the text."""
    stack: list[tuple[Directive, Directive | None]] = [(d, None) for d in reversed(found)]
    while stack:
        directive, parent = stack.pop()
        yield directive, parent
        stack += [(inner, directive) for inner in reversed(directive.block or ())]


def _word(text: str, at: int) -> Word | Problem:
    match = _WORD.match(text, at)
    # A bare word that begins with a quote is a quoted one that never ends.
    if match is None or (match["bare"] and text[at] in "\"'"):
        return _problem(text, at, "a quote or an escape is never ended")
    quoted = match["bare"] is None
    if quoted and not _AFTER_QUOTE.match(text, match.end()):
        return _problem(text, match.end(), "text right after a closing quote")
    value = match[0][1:-1] if quoted else match[0]
    resolved = _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), value)
    return Word(resolved, at, match.end())


def _directive(
    breaks: list[int], words: Sequence[Word], end: int, block: tuple[Directive, ...] | None
) -> Directive:
    name, *args = words
    line = bisect_left(breaks, name.start) + 1
    return Directive(name.value, tuple(args), name.start, end, line, block)


def _problem(text: str, at: int, message: str) -> Problem:
    return Problem(message, line=text.count("\n", 0, at) + 1)
