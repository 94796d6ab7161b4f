r"""Reads `.env` files as compose does (compose-go's godotenv), keeping where everything stands.

    export A="x ${B:-y}" # note   ->  Assignment("A", "x ${B:-y}", quote='"', export=True, …)
    B: z                          ->  Assignment("B", "z", …)
    C                             ->  Assignment("C", None, …)   inherits the process's C

Two steps, as files override each other in between: `read` one text, then `interpolate` the merged
assignments. Both take linear time and raise nothing, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from nself_tasks.errors import Problem
from nself_tasks.rewriting.expansion import Budget, expand, references

Quote = Literal["", "'", '"']
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One `KEY=value`; its spans are offsets in the text that was read."""

    key: str
    value: str | None
    r"""Quotes and escapes resolved, variables not: `$$` (or `\$` in double quotes) is still a
    dollar to come. None for a bare `KEY`, which inherits the process's value."""
    quote: Quote
    line: int
    """1-based, where the key stands."""
    key_span: Span
    value_span: Span
    """The value as written, with its quotes."""
    export: bool = False


@dataclass(frozen=True, slots=True)
class Dotenv:
    """What a text says, in its order; of a key that comes twice the last one wins."""

    assignments: tuple[Assignment, ...]
    problems: tuple[Problem, ...]
    """Lines that mean nothing; they are never quoted, as they may hold a secret."""


# compose takes no dash in a key (python-dotenv does).
_KEY = re.compile(r"(?P<export>export[ \t]++)?(?P<key>[A-Za-z0-9_.]++)[ \t\r\f\v]*+(?P<sign>[=:]?)")
_SPACE = re.compile(r"[ \t\r\f\v]*+")
_BLANK = re.compile(r"\s*+")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\"""", re.DOTALL)
_TAIL = re.compile(r"[ \t\r\f\v]*+(?:#[^\n]*+)?(?=\n|\Z)")
_COMMENT = re.compile(r"(?<=[ \t\f\v])#")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}


def parse(text: str) -> tuple[Assignment, ...]:
    """Give the assignments of the text; lines that are none are passed over."""
    return read(text).assignments


def read(text: str) -> Dotenv:
    """Give the assignments of the text and the lines that are none."""
    found: list[Assignment] = []
    problems: list[Problem] = []
    at = 1 if text.startswith("\ufeff") else 0
    line = 1
    while True:
        blank = _BLANK.match(text, at)
        start = blank.end() if blank else at
        line += text.count("\n", at, start)
        if start >= len(text):
            return Dotenv(tuple(found), tuple(problems))
        at = _line_end(text, start)
        if text[start] == "#":
            continue
        outcome = _statement(text, start, line)
        if isinstance(outcome, Assignment):
            found.append(outcome)
            end = max(start, *outcome.value_span)
            at = _line_end(text, end)
            line += text.count("\n", start, end)
            # A closing quote ends the value; what follows it on the line is no part of anything.
            if outcome.quote and not _TAIL.match(text, end):
                problems.append(Problem("text after the closing quote is ignored", line=line))
        else:
            problems.append(Problem(outcome, line=line))


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _statement(text: str, start: int, line: int) -> Assignment | str:
    """Read the assignment at `start`, or say what is wrong with its line."""
    head = _KEY.match(text, start)
    if head is None:
        return "not an assignment"
    end = _line_end(text, start)
    key, export, key_span = head["key"], bool(head["export"]), head.span("key")
    if not head["sign"]:
        if head.end() < end:
            return "not an assignment"
        return Assignment(key, None, "", line, key_span, (key_span[1], key_span[1]), export)
    space = _SPACE.match(text, head.end())
    begin = space.end() if space else head.end()
    if text[begin : begin + 1] in ("'", '"'):
        quoted = _QUOTED.match(text, begin)
        if quoted is None:
            # Not tried again further on: this was the last quote mark of its sort that could close.
            return "the quoted value is never closed"
        quote: Quote = "'" if text[begin] == "'" else '"'
        return Assignment(key, _unquoted(quoted[0]), quote, line, key_span, quoted.span(), export)
    comment = _COMMENT.search(text, begin, end)
    value = text[begin : comment.start() if comment else end].rstrip()
    return Assignment(key, value, "", line, key_span, (begin, begin + len(value)), export)


def _unquoted(written: str) -> str:
    """Resolve quotes; single ones are literal except for an escaped quote mark."""
    inner = written[1:-1]
    if written[0] == "'":
        return inner.replace("\\'", "'")
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), inner)


def interpolate(values: Mapping[str, Assignment], environ: Mapping[str, str]) -> dict[str, str]:
    """Give each key's final value: ${X}, $X, ${X:-d}, ${X-d}, ${X:+y}, ${X+y}, ${X:?e}, `$$`.

    A name means the merged files' value, wherever it stands, else the process's: nself lets files
    win over exported variables. Unknown names, references to itself and `:?` without a value are
    empty.
    """
    done: dict[str, str] = {}
    budget = Budget()

    def lookup(name: str) -> str | None:
        found = done.get(name)
        return environ.get(name) if found is None else found

    for key in _referenced_first(values):
        value, quote = values[key].value, values[key].quote
        if value is None:
            if key in environ:
                done[key] = environ[key]
        else:
            done[key] = value if quote == "'" else expand(value, lookup, budget)
    return done


def _referenced_first(values: Mapping[str, Assignment]) -> Iterator[str]:
    """Give the keys so that a referenced one comes before the referrer, but for cycles."""
    seen: set[str] = set()
    for first in values:
        # A stack of our own: a chain of ten thousand references must not exhaust Python's.
        stack = [] if first in seen else [(first, _references(values[first]))]
        seen.add(first)
        while stack:
            key, names = stack[-1]
            name = next((n for n in names if n in values and n not in seen), None)
            if name is None:
                stack.pop()
                yield key
            else:
                seen.add(name)
                stack.append((name, _references(values[name])))


def _references(assignment: Assignment) -> Iterator[str]:
    if assignment.value is None or assignment.quote == "'":
        return iter(())
    return references(assignment.value)
