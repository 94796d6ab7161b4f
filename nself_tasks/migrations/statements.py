"""Cuts a file into statements exactly where psql would send them.

    select 'a;b'; create function f() … begin atomic select 1; end;
    ─────┬──────  ──────────────────────┬─────────────────────────
      a statement                  one statement

The rules are those of psql's `psqlscan.l` and, for COPY data, of its `copy.c`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from nself_tasks.errors import InputError, Problem
from nself_tasks.migrations.lexer import SPACE, end_of, line_comment_end, stopping_at, tokens


@dataclass(frozen=True, slots=True)
class Piece:
    """A statement as cut: from its first token to its last one, without the semicolon."""

    text: str
    start: int
    line: int
    copy_data: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot be cut, or that only psql could run."""

    message: str
    start: int
    line: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A whole text as cut; the comments are the offsets of every `--` outside of quotes."""

    pieces: tuple[Piece, ...]
    comments: tuple[int, ...]
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class _Found:
    text: str
    pieces: list[tuple[int, int, str | None]] = field(default_factory=list)
    comments: list[int] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)


_PLAIN = stopping_at(None)
_HEAD = stopping_at(r"[a-z]++")
_ROUTINE = stopping_at("begin|case|end")

_BLANK = re.compile(rf"[{SPACE};]*+")
_RESTRICT = re.compile(r"\\(?:un)?restrict[ \t]++[^\s]++[ \t]*+\r?(?=\n|\Z)")
_COMMAND = re.compile(r"\\(?:[A-Za-z_]++|.)?+")
_LINE_REST = re.compile(r"[^\n]*+\n?")
_AFTER_COPY = re.compile(r"[ \t\r\f\v]*+(?:--[^\n\r]*+)?+\r?(?:\n|\Z)")
_COPY_END = re.compile(r"^\\\.\r?(?:\n|\Z)", re.MULTILINE)

_NAMES = {"'": "string", '"': "quoted name", "e'": "string", "/*": "comment"}


def split(text: str) -> tuple[Piece, ...]:
    """The statements of `text` in their order; raises InputError that lists what cannot be cut."""
    cut = scan(text)
    if cut.faults:
        raise InputError(
            "the SQL cannot be cut into statements",
            problems=[Problem(fault.message, line=fault.line) for fault in cut.faults],
        )
    return cut.pieces


def scan(text: str) -> Cut:
    """The statements of `text` together with its `--` comments and all that is wrong in it."""
    found = _Found(text)
    at = _between(found, 0)
    while at < len(text):
        at = _between(found, _statement(found, at))
    lines = _line_numbers(text, sorted({p[0] for p in found.pieces} | {f[0] for f in found.faults}))
    return Cut(
        tuple(Piece(text[a:b], a, lines[a], data) for a, b, data in found.pieces),
        tuple(found.comments),
        tuple(Fault(message, start, lines[start]) for start, message in found.faults),
    )


def copies_through_client(copy: str, direction: Literal["from", "to"]) -> bool:
    """Whether a COPY statement reads its data from the client, or writes them to it."""
    depth, previous = 0, ""
    for token in tokens(copy):
        word = token.lower()
        if depth == 0 and previous == direction:
            # The grammar takes either word for the client, whichever way the data go.
            return word in ("stdin", "stdout")
        depth += (word == "(") - (word == ")")
        previous = word
    return False


def _line_numbers(text: str, offsets: list[int]) -> dict[int, int]:
    numbers, line, before = {}, 1, 0
    for offset in offsets:
        line += text.count("\n", before, offset)
        numbers[offset], before = line, offset
    return numbers


def _between(found: _Found, at: int) -> int:
    """Runs over space, comments, empty statements and psql lines to the next first token."""
    text = found.text
    while True:
        match = _BLANK.match(text, at)
        at = match.end() if match else at
        if text.startswith("--", at):
            found.comments.append(at)
            at = line_comment_end(text, at)
        elif text.startswith("/*", at):
            at = _quoted(found, at, "/*")
        elif text.startswith("\\", at):
            if not _RESTRICT.match(text, at):
                found.faults.append((at, _refused(text, at)))
            at = _after_line(text, at)
        else:
            return at


def _statement(found: _Found, start: int) -> int:
    """Adds the statement that begins at `start`; gives the offset behind it."""
    text, at, after_comment, end = found.text, start, start, start
    words: list[str] = []
    opened: list[int] = []
    begun: list[int] = []
    pattern = _HEAD
    while True:
        match = pattern.match(text, at)
        assert match  # what matters, or the end of the text, is always ahead
        stop, here, at = match[1], match.start(1), match.end()
        if stop == "(":
            opened.append(here)
        elif stop == ")":
            del opened[-1:]
        elif stop == ";":
            if not opened and not begun:
                end = _code_end(text, after_comment, here, end)
                return _ended(found, (start, end, at), words)
        elif stop == "":
            end = _code_end(text, after_comment, here, end)
            return _at_end_of_file(found, (start, end, at), words, (opened, begun))
        elif stop == "\\":
            found.faults.append((here, _refused(text, here)))
            return _after_line(text, here)
        elif stop in ("--", "/*"):
            end = _code_end(text, after_comment, here, end)
            if stop == "--":
                found.comments.append(here)
            at = after_comment = _quoted(found, here, stop)
        elif stop[-1] in "'\"" or stop[0] == "$":
            at = _quoted(found, here, stop)
        elif pattern is _HEAD:
            words.append(stop.lower())
            pattern = _mode(words)
        elif not opened:
            _count_begin(begun, stop.lower(), here)


def _mode(words: list[str]) -> re.Pattern[str]:
    # psql looks at the first four words: only there it counts BEGIN … END.
    match words:
        case ["create"] | ["create", "or"] | ["create", "or", "replace"]:
            return _HEAD
        case ["create", *between, "function" | "procedure"] if between in ([], ["or", "replace"]):
            return _ROUTINE
        case _:
            return _PLAIN


def _count_begin(begun: list[int], word: str, here: int) -> None:
    if word == "end":
        del begun[-1:]
    elif word == "begin" or (word == "case" and begun):  # CASE ends with END too
        begun.append(here)


def _code_end(text: str, after_comment: int, here: int, before: int) -> int:
    """Where the last token before `here` ends; `before`, when only space follows a comment."""
    code = text[after_comment:here].rstrip(" \t\n\r\f\v")
    return after_comment + len(code) if code else before


def _quoted(found: _Found, here: int, opener: str) -> int:
    end = end_of(found.text, here, opener)
    if end is None:
        name = _NAMES.get(opener.lower(), f"dollar quote {opener}")
        found.faults.append((here, f"the {name} that begins here never ends"))
        # One fault: everything after it is inside of it.
        return len(found.text)
    return end


def _ended(found: _Found, span: tuple[int, int, int], words: list[str]) -> int:
    start, end, at = span
    if words[:1] != ["copy"] or not copies_through_client(found.text[start:end], "from"):
        found.pieces.append((start, end, None))
        return at
    rest = _AFTER_COPY.match(found.text, at)
    if not rest:
        found.faults.append((start, "the data of COPY … FROM stdin begin on the line after it"))
    data_start = rest.end() if rest else _after_line(found.text, at)
    last = _COPY_END.search(found.text, data_start)
    if not last:
        found.faults.append(
            (start, r"the data of this COPY … FROM stdin have no closing `\.` line")
        )
        return len(found.text)
    found.pieces.append((start, end, found.text[data_start : last.start()]))
    return last.end()


def _at_end_of_file(
    found: _Found, span: tuple[int, int, int], words: list[str], open_: tuple[list[int], list[int]]
) -> int:
    start, end, at = span
    opened, begun = open_
    if found.faults and found.faults[-1][0] >= start:
        return at
    if opened:
        found.faults.append((opened[0], "the parenthesis that opens here is never closed"))
    elif begun:
        found.faults.append((begun[0], "the BEGIN of this routine's body has no END"))
    else:
        return _ended(found, (start, end, at), words)
    return at


def _refused(text: str, here: int) -> str:
    match = _COMMAND.match(text, here)
    command = match[0] if match else "\\"
    if command == "\\.":
        return r"`\.` ends no data: there is no COPY … FROM stdin before it"
    return f"`{command}` is a command of psql, not SQL: delete it or write SQL in its place"


def _after_line(text: str, here: int) -> int:
    match = _LINE_REST.match(text, here)
    return match.end() if match else len(text)
