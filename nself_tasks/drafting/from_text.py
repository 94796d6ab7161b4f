"""Reads tables from the text of migrations, where no database answers; data statements are left.

CREATE TABLE users (id bigint PRIMARY KEY, org int REFERENCES orgs)   ->  a table, two columns
ALTER TABLE users ADD COLUMN note text                                ->  a column more
INSERT INTO users …, COPY …, DO …, function bodies                    ->  nothing
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from nself_tasks.drafting.tables import Column, Outline, Table
from nself_tasks.migrations.reader import Reader, at_top_level, stored_name, stored_parts
from nself_tasks.migrations.statements import scan

_RULES = frozenset(("constraint", "primary", "unique", "foreign", "check", "exclude", "like"))
_KINDS = ("unlogged", "temp", "temporary", "foreign")
_LONGEST = 20_000
"""Letters of a statement: a longer one is data, or no table that anybody wrote."""


def outline(texts: Iterable[str], onto: Outline | None = None) -> Outline:
    """Give the tables that the up files make, in their order, as far as plain rules tell.

    `onto` is the schema before them: the database's own, where some are pending.
    """
    before = onto or Outline(())
    tables = {table.full_name: table for table in before.tables}
    types = list(before.types)
    for text in texts:
        for piece in scan(text).pieces:
            if len(piece.text) <= _LONGEST:
                _take(Reader(piece.text), tables, types)
    return replace(before, tables=tuple(tables.values()), types=tuple(types))


def _take(reader: Reader, tables: dict[str, Table], types: list[str]) -> None:
    if reader.words("alter", "table"):
        _altered(reader, tables)
    elif reader.words("drop", "table"):
        reader.words("if", "exists")
        for name in reader.names():
            tables.pop(_key(name), None)
    elif reader.words("create", "type"):
        type_, rest = reader.name(), reader.rest()
        if type_ and rest[:2] == ["as", "enum"]:
            types.append(f"type {type_} enum {' '.join(rest[2:])}")
    elif reader.words("create"):
        _created(reader, tables)


def _created(reader: Reader, tables: dict[str, Table]) -> None:
    for kind in _KINDS:
        reader.words(kind)
    if reader.words("table"):
        reader.words("if", "not", "exists")
        name = reader.name()
        body = reader.written()
        if name and body[:1] == ["("]:
            _define(name, _inside(body), tables)
        return
    rest = reader.rest()
    # CREATE [UNIQUE] INDEX … ON t (…), CREATE POLICY … ON t …
    if rest[:1] and rest[0] in ("index", "unique", "policy") and "on" in rest:
        after = rest[rest.index("on") + 1 :]
        name = Reader(" ".join(after)).name() or ""
        if table := tables.get(_key(name)):
            rule = " ".join(["create", *reader.written()])
            tables[_key(name)] = replace(table, rules=(*table.rules, rule))


def _define(name: str, body: Sequence[str], tables: dict[str, Table]) -> None:
    parts = stored_parts(name)
    if parts is None or _key(name) in tables:
        return
    table = Table(parts[0] or "public", parts[1])
    for item in at_top_level(list(body)):
        table = _with_item(table, item)
    tables[_key(name)] = table


def _with_item(table: Table, item: list[str]) -> Table:
    if not item:
        return table
    table = replace(table, references=(*table.references, *_references(item)))
    if item[0].lower() in _RULES:
        return replace(table, rules=(*table.rules, " ".join(item)))
    if any(column.name == stored_name(item[0]) for column in table.columns):
        return table
    # The type and all that follows it: NOT NULL, DEFAULT, REFERENCES.
    column = Column(stored_name(item[0]), "", extra=" ".join(item[1:]))
    return replace(table, columns=(*table.columns, column))


def _references(item: list[str]) -> list[str]:
    lower = [token.lower() for token in item]
    if "references" not in lower:
        return []
    name = Reader(" ".join(item[lower.index("references") + 1 :])).name()
    return [_key(name)] if name else []


def _altered(reader: Reader, tables: dict[str, Table]) -> None:
    reader.words("if", "exists")
    name = next(iter(reader.names()[:1]), "")
    table = tables.get(_key(name))
    if table is None:
        return
    for action in at_top_level(reader.written()):
        table = _after(table, action)
    if table.full_name != _key(name):
        del tables[_key(name)]
    tables[table.full_name] = table


def _after(table: Table, action: list[str]) -> Table:
    """Give the table after one action of ALTER TABLE; most leave it as it is."""
    words = [token.lower() for token in action]
    if words[:3] == ["enable", "row", "level"]:
        return replace(table, row_security=True)
    if words[:2] == ["rename", "to"] and len(action) > 2:
        return replace(table, name=stored_name(action[2]))
    if words[:1] not in (["add"], ["drop"]):
        return table
    rest = [a for a, w in zip(action[1:], words[1:], strict=True) if w != "column"]
    for optional in (["if", "not", "exists"], ["if", "exists"]):
        if [token.lower() for token in rest[: len(optional)]] == optional:
            rest = rest[len(optional) :]
    if words[0] == "add":
        return _with_item(table, rest)
    gone = stored_name(rest[0]) if rest else ""
    return replace(table, columns=tuple(c for c in table.columns if c.name != gone))


def _inside(body: Sequence[str]) -> list[str]:
    """Give the tokens between the first parenthesis and the one that closes it."""
    depth = 0
    for index, token in enumerate(body):
        depth += (token == "(") - (token == ")")
        if depth == 0:
            return list(body[1:index])
    return list(body[1:])


def _key(name: str) -> str:
    parts = stored_parts(name)
    return f"{parts[0] or 'public'}.{parts[1]}" if parts else name
