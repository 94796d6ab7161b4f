"""Which tables and columns a statement drops or renames, read from its tokens.

Only what the statement itself says: not what a `DO` block, a function or CASCADE does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nself_tasks.migrations.lexer import tokens
from nself_tasks.migrations.targets import stored_name


class Removal(NamedTuple):
    """One relation that is not afterwards what it was before."""

    schema: str | None
    """As the catalog keeps it; None where the statement does not say."""
    name: str | None
    """None for a whole schema."""
    what: str
    """`DROP TABLE`, `RENAME COLUMN total` …"""

    def hits(self, schema: str, name: str) -> bool:
        """Whether this relation is meant; one named without its schema may be in any."""
        return self.schema in (None, schema) and self.name in (None, name)


def removals(text: str) -> tuple[Removal, ...]:
    """Give what one statement drops or renames; nothing for any other statement."""
    words = list(tokens(text))
    verb = words[0].lower() if words else ""
    if verb == "drop":
        return tuple(_drop(words[1:]))
    return tuple(_alter(words[1:])) if verb == "alter" else ()


def _drop(words: list[str]) -> Iterator[Removal]:
    kind, rest = _kind(words)
    if kind is None:
        return
    for part in _split(_after(rest, "if", "exists")):
        schema, name, _ = _name(part)
        if name is not None:
            whole = kind == "SCHEMA"
            yield Removal(name if whole else schema, None if whole else name, f"DROP {kind}")


def _alter(words: list[str]) -> Iterator[Removal]:
    kind, rest = _kind(words)
    if kind is None:
        return
    schema, name, rest = _name(_after(_after(rest, "if", "exists"), "only"))
    if name is None:
        return
    for action in _split(rest[1:] if rest[:1] == ["*"] else rest):
        if what := _action(action):
            whole = kind == "SCHEMA"
            yield Removal(name if whole else schema, None if whole else name, what)


def _action(words: list[str]) -> str | None:
    """Give what one action of ALTER takes away, None for all others."""
    match [word.lower() for word in words[:3]]:
        case ["rename", "to", *_] | ["set", "schema", *_]:
            return " ".join((words[0].upper(), words[1].upper(), *words[2:3]))
        case ["rename" | "drop", "constraint", *_]:
            return None
        case ["rename" | "drop" as verb, *_]:
            rest = _after(_after(words[1:], "column"), "if", "exists")
            return f"{verb.upper()} COLUMN {rest[0]}" if rest else None
        case _:
            return None


def _kind(words: list[str]) -> tuple[str | None, list[str]]:
    """Give the kind of relation, and what comes after it."""
    first = words[0].lower() if words else ""
    if first in ("table", "view", "schema"):
        return first.upper(), words[1:]
    second = words[1].lower() if len(words) > 1 else ""
    if (first, second) in (("materialized", "view"), ("foreign", "table")):
        return f"{first} {second}".upper(), words[2:]
    return None, []


def _after(words: list[str], *expected: str) -> list[str]:
    found = tuple(word.lower() for word in words[: len(expected)]) == expected
    return words[len(expected) :] if found else words


def _split(words: list[str]) -> Iterator[list[str]]:
    """Give what stands between the commas that are in no parentheses."""
    part: list[str] = []
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if word == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _name(words: list[str]) -> tuple[str | None, str | None, list[str]]:
    """Give schema, name, and what comes after a name with at most one dot."""
    if not words or words[0] in ("(", ")", ";"):
        return None, None, words
    if words[1:2] == ["."] and len(words) > 2:
        return stored_name(words[0]), stored_name(words[2]), words[3:]
    return None, stored_name(words[0]), words[1:]
