"""The rows of every table, and what two states of them differ in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

_Row = Mapping[str, Any]
Rows = Mapping[str, tuple[_Row, ...]]
"""Table → its rows, column by column."""
_AT_ONCE = 100
_MOST = 100_000
"""Rows read of one table: more than a migration puts there; nobody waits for one with millions."""
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname),
  coalesce((SELECT array_agg(quote_ident(a.attname)::text ORDER BY k.n)
    FROM pg_index AS i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (at, n)
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.at
   WHERE i.indrelid = c.oid AND i.indisprimary), '{}')
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
_SEQUENCES = """
SELECT format('%I.%I', n.nspname, c.relname), s.seqincrement
  FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the tables hold, and how far the sequences are."""

    rows: Rows
    keys: Mapping[str, tuple[str, ...]]
    """The primary key of each table, as far as it has one."""
    sequences: Mapping[str, int]
    """The last number that a sequence has given, negative where it counts down."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One way in which a table is not what it was."""

    table: str
    column: str | None
    """None for whole rows."""
    count: int
    of: int
    more: bool = False
    """Whether there are rows that were not there before."""

    @property
    def words(self) -> str:
        """The loss as a person reads it."""
        if self.more:
            return f"{self.count} rows of {self.table} that were not there before"
        what = f"{self.table}.{self.column}" if self.column else f"rows of {self.table}"
        return f"{what} ({self.count} of {self.of} rows)"


def read(connection: Conn) -> Contents:
    """Read the rows of all tables, as somebody whom no policy keeps out."""
    listed = connection.execute(_TABLES).fetchall()
    found: dict[str, list[Mapping[str, Any]]] = {name: [] for name, _ in listed}
    for at in range(0, len(listed), _AT_ONCE):
        parts = [
            f"(SELECT {_literal(name)}, pg_catalog.to_jsonb(t) FROM {name} AS t LIMIT {_MOST})"
            for name, _ in listed[at : at + _AT_ONCE]
        ]
        for name, row in connection.execute(" UNION ALL ".join(parts).encode()).fetchall():
            found[name].append(row)
    rows = {name: tuple(sorted(of, key=_text)) for name, of in found.items()}
    return Contents(rows, {name: tuple(key) for name, key in listed}, _sequences(connection))


def _sequences(connection: Conn) -> dict[str, int]:
    parts = [
        f"SELECT {_literal(name)}, (last_value - CASE WHEN is_called THEN 0 ELSE {step} END)"
        f" * {1 if step > 0 else -1} FROM {name}"
        for name, step in connection.execute(_SEQUENCES).fetchall()
    ]
    if not parts:
        return {}
    return dict(connection.execute(" UNION ALL ".join(parts).encode()).fetchall())


def set_back(before: Contents, after: Contents) -> tuple[str, ...]:
    """Give the sequences that will give numbers again which they have given already."""
    return tuple(
        name for name, was in before.sequences.items() if after.sequences.get(name, was) < was
    )


def losses(before: Contents, after: Contents) -> Iterator[Loss]:
    """Give what the tables of before have lost, and what they have that they had not."""
    for table, old in before.rows.items():
        new = after.rows.get(table)
        if new is not None and sorted(map(_text, old)) != sorted(map(_text, new)):
            yield from _of_table(table, old, new, before.keys[table])


def _of_table(
    table: str,
    old: Sequence[_Row],
    new: Sequence[_Row],
    key: Sequence[str],
) -> Iterator[Loss]:
    names = [name.strip('"').replace('""', '"') for name in key]
    if not names:
        gone, more = _only_in(old, new), _only_in(new, old)
        if gone:
            yield Loss(table, None, gone, len(old))
        if more > gone:
            yield Loss(table, None, more - gone, len(old), more=True)
        return
    there = {_key(row, names): row for row in new}
    kept = [(row, there[_key(row, names)]) for row in old if _key(row, names) in there]
    if len(kept) < len(old):
        yield Loss(table, None, len(old) - len(kept), len(old))
    if len(new) > len(kept):
        yield Loss(table, None, len(new) - len(kept), len(old), more=True)
    for column in old[0] if old else ():
        changed = sum(a.get(column) != b.get(column) for a, b in kept)
        if changed:
            yield Loss(table, column, changed, len(old))


def _only_in(these: Sequence[_Row], others: Sequence[_Row]) -> int:
    left = list(map(_text, others))
    count = 0
    for text in map(_text, these):
        if text in left:
            left.remove(text)
        else:
            count += 1
    return count


def _key(row: _Row, names: Sequence[str]) -> str:
    return json.dumps([row.get(name) for name in names])


def _text(row: _Row) -> str:
    return json.dumps(row, sort_keys=True)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
