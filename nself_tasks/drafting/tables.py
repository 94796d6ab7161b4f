"""The tables of a schema as a model gets to see them: names and shapes, no row, no secret."""

from __future__ import annotations

from dataclasses import dataclass

from nself_tasks.drafting import redaction

_MANY = 120
"""Columns or rules of one table that are shown: the widest real tables have fewer."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `default` as SQL, or None."""

    name: str
    type: str
    not_null: bool = False
    default: str | None = None
    extra: str = ""
    """`generated always as identity`, `generated always as (…) stored`."""
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view."""

    schema: str
    name: str
    kind: str = "table"
    columns: tuple[Column, ...] = ()
    rules: tuple[str, ...] = ()
    """Constraints, indexes, policies and triggers as SQL."""
    references: tuple[str, ...] = ()
    """The full names of the tables that its foreign keys lead to."""
    row_security: bool = False
    comment: str | None = None

    @property
    def full_name(self) -> str:
        """With its schema: `public.users`."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Outline:
    """A schema as far as it was read, and where from."""

    tables: tuple[Table, ...]
    types: tuple[str, ...] = ()
    """Enums with their labels, domains: one line each."""
    functions: tuple[str, ...] = ()
    """Signatures of the schema's own functions."""
    extensions: tuple[str, ...] = ()
    server: str | None = None
    """The server's version, or None where none was asked."""
    source: str = "the text of the migrations"

    @property
    def words(self) -> frozenset[str]:
        """The names of its tables and columns."""
        columns = {column.name for table in self.tables for column in table.columns}
        return frozenset(columns | {part for t in self.tables for part in (t.schema, t.name)})


def shown(table: Table) -> str:
    """Give a table as text: a heading, its columns, its rules."""
    lines = [heading(table)]
    lines += [f"  {_column(table, column)}" for column in table.columns[:_MANY]]
    if (more := len(table.columns) - _MANY) > 0:
        lines.append(f"  ({more} more columns)")
    lines += [f"  {redaction.sql(rule, about=table.name)}" for rule in table.rules[:_MANY]]
    if (more := len(table.rules) - _MANY) > 0:
        lines.append(f"  ({more} more rules)")
    return "\n".join(lines)


def heading(table: Table) -> str:
    """Give the first line of a table, which is all that is said of one that matters less."""
    said = f"{table.kind} {table.full_name}"
    said += " (row level security)" if table.row_security else ""
    about = redaction.comment(table.comment, about=table.name)
    return f"{said} -- {about}" if about else said


def _column(table: Table, column: Column) -> str:
    about = f"{table.name} {column.name}"
    default = redaction.sql(column.default, about=about) if column.default else ""
    note = redaction.comment(column.comment, about=about)
    parts = (
        column.name,
        column.type,
        "not null" if column.not_null else "",
        redaction.sql(column.extra, about=about) if column.extra else "",
        f"default {default}" if default else "",
        f"-- {note}" if note else "",
    )
    return " ".join(part for part in parts if part)
