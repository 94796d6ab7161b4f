"""What is to be known of all tables before they can be filled: columns, keys, checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nself_tasks.database.proof.values import ROWS, Flavour, value

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

Row = dict[int, str | None]
"""The number of a column → its literal."""

_COLUMNS = """
WITH RECURSIVE base AS (
  SELECT oid, oid AS at, typbasetype, typname, typtypmod FROM pg_type WHERE typtype <> 'd'
  UNION ALL
  SELECT d.oid, b.at, b.typbasetype, b.typname, d.typtypmod
    FROM pg_type AS d JOIN base AS b ON d.typbasetype = b.oid WHERE d.typtype = 'd')
SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname), quote_ident(a.attname), a.attnum::int,
       b.typname::text,
       format_type(b.at, CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE b.typtypmod END),
       a.attnotnull OR EXISTS (SELECT FROM pg_type AS n WHERE n.oid = a.atttypid AND n.typnotnull),
       (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum AS e
         WHERE e.enumtypid IN (b.at, (SELECT typelem FROM pg_type WHERE oid = b.at)))
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid JOIN base AS b ON b.oid = a.atttypid
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated = '' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = 'pg_class'::regclass
                    AND e.objid = c.oid AND e.deptype = 'e')
 ORDER BY c.oid, a.attnum
"""
_KEYS = """
SELECT conrelid::bigint, conkey::int[], confrelid::bigint, confkey::int[]
  FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
"""
_CHECKS = """
SELECT k.conname::text, k.conrelid::bigint, k.conkey::int[], pg_get_constraintdef(k.oid)
  FROM pg_constraint AS k WHERE k.contype = 'c'
"""


@dataclass(frozen=True, slots=True)
class Planting:
    """What the planted rows are to be like."""

    flavour: Flavour = "words"
    without: str | None = None
    """A table that gets none."""
    met: tuple[tuple[str, str], ...] = ()
    """Column → the literal that the first row of every table with such a column gets."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column that takes a value."""

    table: int
    name: str
    number: int
    type_name: str
    shown: str
    not_null: bool
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One foreign key, by table and numbers of columns."""

    table: int
    columns: tuple[int, ...]
    other: int
    others: tuple[int, ...]


class Tables:
    """What has to be known of all tables to fill them."""

    def __init__(self, connection: Conn, planting: Planting) -> None:
        self.connection, self.planting = connection, planting
        self.names: dict[int, str] = {}
        self.columns: dict[int, list[Column]] = {}
        for oid, name, column, number, base, shown, not_null, labels in connection.execute(
            _COLUMNS
        ).fetchall():
            self.names[oid] = name
            self.columns.setdefault(oid, []).append(
                Column(oid, column, number, base, shown, not_null, tuple(labels or ()))
            )
        self.refers: dict[tuple[int, int], tuple[int, int]] = {}
        self.keys = [
            ForeignKey(table, tuple(columns), other, tuple(others))
            for table, columns, other, others in connection.execute(_KEYS).fetchall()
        ]
        for key in self.keys:
            for column_, referred in zip(key.columns, key.others, strict=True):
                self.refers.setdefault((key.table, column_), (key.other, referred))
        self._bound = self.refers.keys() | set(self.refers.values())
        self.checks = connection.execute(_CHECKS).fetchall()

    def literal(self, column: Column, row: int) -> str | None:
        """Give what a foreign key leads to at its end, so that the row that it names is there."""
        at, seen = (column.table, column.number), set[tuple[int, int]]()
        while at in self.refers and at not in seen:
            seen.add(at)
            at = self.refers[at]
        last = next((c for c in self.columns.get(at[0], []) if c.number == at[1]), column)
        flavour = self.planting.flavour
        if flavour == "words" and (column.table, column.number) in self._bound:
            # One end of a foreign key may be narrower than the other.
            flavour = "modest"
        return value(last.type_name, last.shown, last.labels, row, flavour)

    def in_order(self) -> list[int]:
        """Give the tables, each after those that it refers to, as far as there is no circle."""
        found: list[int] = []
        waiting: set[int] = set()

        def visit(table: int) -> None:
            if table in waiting or table not in self.names:
                return
            waiting.add(table)
            for key in self.keys:
                if key.table == table:
                    visit(key.other)
            found.append(table)

        for table in self.names:
            visit(table)
        return found

    def unbound(self, table: int, row: Row) -> Row:
        """Give the row without its references, where it may be without."""
        free = {c.number for c in self.columns[table] if not c.not_null}
        bound = {number for key in self.keys if key.table == table for number in key.columns}
        return {number: None if number in free & bound else v for number, v in row.items()}

    def rows(self, table: int) -> Iterator[Row]:
        """Give what is to be planted, row by row."""
        for row in range(1, ROWS + 1):
            yield {
                c.number: None if row == ROWS and not c.not_null else self.literal(c, row)
                for c in self.columns[table]
            }

    def met(self, table: int, row: Row, number: int) -> Row:
        """Give the row with what a statement looks for; the same where that is nothing of it."""
        wanted = dict(self.planting.met) if number == 1 else {}
        free = [c for c in self.columns[table] if (table, c.number) not in self._bound]
        return row | {c.number: wanted[c.name] for c in free if c.name in wanted}
