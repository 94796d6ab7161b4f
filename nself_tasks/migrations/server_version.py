"""Statements that only a newer Postgres understands; only those of which the text leaves no doubt.

The majors are those of the release notes of PostgreSQL 14 to 18, "Migration to Version …" excluded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from nself_tasks.migrations.reader import Reader, first_word
from nself_tasks.model import Script

Words = Sequence[str]


class Newer(NamedTuple):
    """A statement that needs at least this major of Postgres."""

    line: int
    what: str
    major: int


def newer_than(script: Script, major: int) -> tuple[Newer, ...]:
    """Give the statements of a script that a server of this major does not understand."""
    found = []
    for statement in script.statements:
        if first_word(statement.text) not in _FIRST:
            continue
        words = Reader(statement.text).rest()
        found += [
            Newer(statement.line, what, since)
            for what, since, is_it in _TABLE
            if since > major and is_it(words)
        ]
    return tuple(found)


def _has(words: Words, *wanted: str) -> bool:
    many = len(wanted)
    return any(tuple(words[at : at + many]) == wanted for at in range(len(words) - many + 1))


def _defines_table(words: Words) -> bool:
    """Whether it is CREATE TABLE, CREATE UNIQUE INDEX or ALTER TABLE, whose words are ours."""
    head = [w for w in words[:5] if w not in ("temp", "temporary", "unlogged", "local", "global")]
    return head[:2] in (["create", "table"], ["alter", "table"], ["create", "unique"])


def _generated(words: Words) -> str | None:
    """Give the word after `GENERATED ALWAYS AS (…)`, an empty one at the end; None without it."""
    for at in range(len(words) - 3):
        if tuple(words[at : at + 4]) != ("generated", "always", "as", "("):
            continue
        depth, end = 1, at + 4
        while end < len(words) and depth:
            depth += (words[end] == "(") - (words[end] == ")")
            end += 1
        if (after := "".join(words[end : end + 1])) != "stored":
            return after
    return None


def _view_option(words: Words) -> bool:
    head = list(words[: words.index("as")]) if "as" in words else list(words)
    is_view = "view" in head[:4] and "materialized" not in head[:4]
    option = _has(head, "(", "security_invoker") or _has(head, ",", "security_invoker")
    opened = _has(head, "with", "(") or _has(head, "set", "(")
    return is_view and opened and option and not _is_column(head)


def _is_column(head: Words) -> bool:
    """Whether the option's word stands in the list of columns, before WITH."""
    opening = head.index("with") if "with" in head else head.index("set")
    return "security_invoker" in head[:opening]


_Question = Callable[[Words], bool]
_TABLE: tuple[tuple[str, int, _Question], ...] = (
    ("CREATE OR REPLACE TRIGGER", 14, lambda w: _has(w[:4], "create", "or", "replace", "trigger")),
    (
        "a function body of BEGIN ATOMIC",
        14,
        lambda w: (
            w[0] == "create"
            and bool({"function", "procedure"} & set(w[1:4]))
            and _has(w, "begin", "atomic")
        ),
    ),
    ("MERGE", 15, lambda w: w[:2] == ["merge", "into"]),
    (
        "NULLS NOT DISTINCT",
        15,
        lambda w: _defines_table(w) and _has(w, "nulls", "not", "distinct"),
    ),
    (
        "ON DELETE SET NULL (…) with columns",
        15,
        lambda w: _defines_table(w) and _has(w, "on", "delete", "set", "null", "("),
    ),
    ("a view with security_invoker", 15, _view_option),
    (
        "a publication FOR TABLES IN SCHEMA",
        15,
        lambda w: w[:2] == ["create", "publication"] and _has(w[3:], "for", "tables", "in"),
    ),
    (
        "a virtual generated column",
        18,
        lambda w: _defines_table(w) and _generated(w) in ("virtual", ",", ")", ""),
    ),
    (
        "WITHOUT OVERLAPS",
        18,
        lambda w: _defines_table(w) and _has(w, "without", "overlaps"),
    ),
)
_FIRST = ("create", "alter", "merge")
