"""Makes a draft of what a model has said, or says in words why that is none.

Asked for is one JSON object; a server that knows no JSON schemas sends prose with code fences.
"""

from __future__ import annotations

import json
import re
from typing import Any

from nself_tasks.drafting.draft import Draft
from nself_tasks.migrations.lexer import tokens

LARGEST = 400_000
"""Characters of an answer; a migration that a person can review is far smaller."""

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*\1", re.M | re.S)
_THOUGHTS = re.compile(r"\s*<think(?:ing)?>.*?</think(?:ing)?>", re.IGNORECASE | re.DOTALL)
"""What some local models say to themselves before they answer."""
_MOST_OBJECTS = 100
_HTML = re.compile(r"\s*(?:<!doctype|<html|<head|<body)", re.IGNORECASE)
_DIRECTION = re.compile(r"\b(up|forward|down|rollback|revert|undo)\b", re.IGNORECASE)
_SECTION = re.compile(
    r"^--[ \t]*(?:\+?(?:migrate|goose)[: \t]+)?(up|down)\b[^\n]*\n", re.IGNORECASE | re.MULTILINE
)
_SQL_LANGUAGES = ("", "sql", "postgres", "postgresql", "pgsql", "plpgsql")
_FOREIGN = (
    ("MySQL", ("auto_increment",)),
    ("MySQL", (")", "engine", "=")),
    ("MySQL", ("int", "unsigned")),
    ("MySQL", ("bigint", "unsigned")),
    ("SQLite", ("autoincrement",)),
    ("SQLite", ("pragma", "foreign_keys")),
    ("SQL Server", ("nvarchar", "(")),
    ("SQL Server", ("identity", "(", "1")),
    ("SQL Server", ("getdate", "(")),
    ("Oracle", ("varchar2", "(")),
)
"""Words that no PostgreSQL statement has in this order; the server has the last word on others."""


_UNSEEN = re.compile(
    r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Control signs that a terminal obeys, and those that turn the direction of what is read."""


class BadAnswer(Exception):
    """The answer is no draft; the message is for a person and for the model."""


def draft(text: str) -> Draft:
    """Give the draft that an answer holds; raises BadAnswer."""
    text = _THOUGHTS.sub("", text, count=1)
    if not text.strip():
        raise BadAnswer("the answer is empty")
    if len(text) > LARGEST:
        raise BadAnswer(f"the answer is longer than {LARGEST:,} characters")
    if _HTML.match(text):
        raise BadAnswer("the answer is a web page, no draft")
    found = _json(text)
    made = _from_object(found) if found is not None else _from_fences(text)
    for part, sql in (("up", made.up), ("down", made.down)):
        if dialect := foreign_dialect(sql):
            raise BadAnswer(f"`{part}` is {dialect} and no PostgreSQL")
        if "\0" in sql or any("\ud800" <= sign <= "\udfff" for sign in sql):
            raise BadAnswer(f"`{part}` holds a character that no SQL can hold")
        if sign := _UNSEEN.search(sql):
            raise BadAnswer(
                f"`{part}` holds the character U+{ord(sign[0]):04X}, which a reviewer cannot see"
                " or which changes what they see: write it as an escape (U&'\\…', chr(…))"
            )
    return made


def foreign_dialect(sql: str) -> str | None:
    """Give the database whose SQL this is, where it is surely not PostgreSQL's."""
    # Quoted texts, names and function bodies may hold any word.
    words = [t.lower() for t in tokens(sql) if t[-1:] not in ("'", '"') and t[:1] != "$"]
    if any(word.startswith("`") for word in words):
        return "MySQL"
    said = " ".join(("", *words, ""))
    return next((name for name, signs in _FOREIGN if f" {' '.join(signs)} " in said), None)


def _json(text: str) -> dict[str, Any] | None:
    """Give the JSON object with the draft, alone or within prose or a code fence."""
    decoder = json.JSONDecoder(strict=False)
    at = text.find("{")
    for _ in range(_MOST_OBJECTS):
        if at < 0:
            break
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            found, end = None, at + 1
        if isinstance(found, dict) and ("up" in found or "down" in found):
            return found
        at = text.find("{", end)
    if text.lstrip().startswith("{") and '"up"' in text:
        raise BadAnswer("the JSON of the answer is not whole or not valid")
    return None


def _from_object(found: dict[str, Any]) -> Draft:
    for name in ("up", "down"):
        if not isinstance(found.get(name), str):
            raise BadAnswer(f"`{name}` is missing or no text")
    for name in ("name", "notes"):
        if not isinstance(found.get(name, ""), str):
            raise BadAnswer(f"`{name}` is no text")
    up, down = (_unfenced(found[name]) for name in ("up", "down"))
    if not up.strip():
        raise BadAnswer("`up` is empty")
    return Draft(
        found.get("name", ""),
        up,
        down,
        notes=found.get("notes", ""),
        loses_data=found.get("loses_data") is True,
    )


def _unfenced(sql: str) -> str:
    fence = _FENCE.fullmatch(sql.strip())
    return fence[3] if fence else sql


def _from_fences(text: str) -> Draft:
    """Make a draft of prose with SQL in fences: the words before each call it up or down."""
    blocks: dict[str, str] = {}
    unnamed: list[str] = []
    end = 0
    for found in _FENCE.finditer(text):
        if found[2].lower() not in _SQL_LANGUAGES:
            end = found.end()
            continue
        before, end = text[end : found.start()], found.end()
        if sections := _sections(found[3]):
            blocks.update(sections)
            continue
        said = _DIRECTION.findall(before) or _DIRECTION.findall(found[3].split("\n", 1)[0])
        if not said:
            unnamed.append(found[3])
            continue
        direction = "up" if said[-1].lower() in ("up", "forward") else "down"
        if direction in blocks:
            raise BadAnswer(f"several code blocks call themselves `{direction}`")
        blocks[direction] = found[3]
    if not blocks and len(unnamed) == 2:
        blocks, unnamed = {"up": unnamed[0], "down": unnamed[1]}, []
    if unnamed or set(blocks) != {"up", "down"}:
        raise BadAnswer(_why(bool(blocks or unnamed), blocks))
    return Draft("", blocks["up"], blocks["down"])


def _sections(sql: str) -> dict[str, str]:
    """Cut one block with `-- up` and `-- down` lines in two; nothing where it is not so."""
    marks = list(_SECTION.finditer(sql))
    if sorted(mark[1].lower() for mark in marks) != ["down", "up"]:
        return {}
    ends = [*(mark.start() for mark in marks[1:]), len(sql)]
    return {m[1].lower(): sql[m.end() : end] for m, end in zip(marks, ends, strict=True)}


def _why(any_sql: bool, blocks: dict[str, str]) -> str:
    if not any_sql:
        return "the answer is prose without SQL: one JSON object with `up` and `down` is wanted"
    missing = [name for name in ("up", "down") if name not in blocks]
    what = f"no block is `{missing[0]}`" if len(missing) == 1 else "which is `up` and which `down`"
    return f"the answer has code blocks of which nothing tells {what}: one JSON object is wanted"
