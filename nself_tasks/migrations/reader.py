"""Walks over a statement's tokens: the words it expects, and names as they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from nself_tasks.migrations.lexer import end_of, tokens

_FIRST_WORD = re.compile("[A-Za-z]*+")


def first_word(text: str) -> str:
    """Give the first word of a statement in lower case, without reading any further."""
    found = _FIRST_WORD.match(text)
    return found[0].lower() if found else ""


class Reader:
    """Steps over the tokens of one statement, or over its first ones."""

    def __init__(self, text: str, limit: int | None = None) -> None:
        self._tokens = list(islice(tokens(text), limit))
        self._at = 0

    def words(self, *expected: str) -> bool:
        """Steps over these words if they are next."""
        after = self._at + len(expected)
        found = tuple(token.lower() for token in self._tokens[self._at : after])
        if found == expected:
            self._at = after
        return found == expected

    def name(self) -> str | None:
        """Steps over a name with its dots, if one is next."""
        start = self._at
        while self._is_identifier():
            self._at += 1
            if self._tokens[self._at : self._at + 1] != ["."]:
                return "".join(self._tokens[start : self._at])
            self._at += 1
        self._at = start
        return None

    def names(self) -> list[str]:
        """Steps over a list of names with commas between them, each perhaps ONLY or with a `*`."""
        found: list[str] = []
        while True:
            self.words("only")
            if (name := self.name()) is None:
                return found
            found.append(name)
            self.words("*")
            if not self.words(","):
                return found

    def rest(self) -> list[str]:
        """Give the tokens that are left, in lower case unless they are quoted."""
        return [t if t[:1] in ("'", '"') else t.lower() for t in self._tokens[self._at :]]

    def written(self) -> list[str]:
        """Give the tokens that are left as they are written."""
        return self._tokens[self._at :]

    def _is_identifier(self) -> bool:
        token = "".join(self._tokens[self._at : self._at + 1])
        return token[:1] in ('"', "_") or token[:1].isalpha() or token[:1] > "\x7f"


def stored_name(name: str) -> str:
    """A name without dots as the catalog keeps it: `Orders` is orders, `"Orders"` is Orders."""
    if name.startswith('"'):
        return name[1:-1].replace('""', '"')
    # Only ASCII: in a UTF-8 database Postgres folds no other letter.
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def stored_parts(name: str) -> tuple[str | None, str] | None:
    """Schema, if there is one, and name as the catalog keeps them.

    None for what cannot be told: another database's name in front, or Unicode escapes.
    """
    parts = [part for part in tokens(name) if part != "."]
    if not 1 <= len(parts) <= 2 or any(part[:2].lower() == "u&" for part in parts):
        return None
    # The server cuts a longer name off at 63 bytes, with a notice.
    stored = [stored_name(p).encode()[:63].decode(errors="ignore") for p in parts]
    return (stored[0] if len(stored) == 2 else None, stored[-1])


def at_top_level(listed: Sequence[str]) -> list[list[str]]:
    """Cut tokens at the commas that stand in no parentheses."""
    found: list[list[str]] = [[]]
    depth = 0
    for token in listed:
        depth += (token in ("(", "[")) - (token in (")", "]"))
        if token == "," and depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return found


def after_words(text: str, many: int) -> str:
    """Give what comes after the first words, which only space and comments may stand between."""
    at = 0
    for _ in range(many):
        while not text[at].isalpha():
            opener = text[at : at + 2]
            at = (end_of(text, at, opener) or len(text)) if opener in ("--", "/*") else at + 1
        while text[at : at + 1].isalpha():
            at += 1
    return text[at:]
