"""Plants three rows in every table: the third with NULL wherever that may be.

Foreign keys are followed row by row, so that they hold. Where a check says no, values that it
names itself are tried.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nself_tasks.database.proof.tables import Planting, Row, Tables

if TYPE_CHECKING:
    import psycopg

    from nself_tasks.database.connection import Conn

_LONG_SHAPE = f"planted{{}}@{'x' * 60}.{'x' * 60}.example.org"
_SHAPES = (
    "planted{}@example.org",
    "https://example.org/{}",
    "planted{}",
    "a{}",
    "A{}",
    "+1555000{}",
)
"""What a pattern often asks for, another one in each row: before what the check names itself."""
_CHECK = "23514"
_TRIES = 60
"""How many combinations of values are tried for one check."""

_SEQUENCES = """
SELECT setval(d.objid::regclass, greatest(7100, s.seqmin)) FROM pg_depend AS d
  JOIN pg_sequence AS s ON s.seqrelid = d.objid
 WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND s.seqmax > 7100
   AND s.seqincrement > 0
"""


@dataclass(frozen=True, slots=True)
class Planted:
    """Where rows could be planted, and where not."""

    tables: tuple[str, ...]
    empty: tuple[str, ...]


def plant(connection: Conn, planting: Planting) -> Planted:
    """Plant the rows, in one transaction: what is referred to before what refers.

    Triggers of the schema sleep meanwhile. Sequences go on behind what is planted.
    """
    ground = Tables(connection, planting)
    with connection.transaction():
        for table in ground.in_order():
            if ground.names[table] == planting.without:
                continue
            with _asleep(connection, ground.names[table]):
                for number, row in enumerate(ground.rows(table), 1):
                    # What refers in a circle, or to a row that is not there, refers to none.
                    tries = (ground.met(table, row, number), row, ground.unbound(table, row))
                    any(_insert(ground, table, one, number) for one in tries)
        connection.execute(_SEQUENCES)
        names = list(ground.names.values())
        empty = [name for name in names if not _has_rows(connection, name)]
    return Planted(tuple(name for name in names if name not in empty), tuple(empty))


@contextmanager
def _asleep(connection: Conn, table: str) -> Iterator[None]:
    """Keep the triggers of a table from firing; those that were off stay so."""
    found = connection.execute(
        "SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = %s::regclass"
        " AND tgenabled = 'O' AND NOT tgisinternal AND tgparentid = 0",
        [table],
    ).fetchall()
    for word in ("DISABLE", "ENABLE"):
        for (name,) in found:
            connection.execute(f"ALTER TABLE {table} {word} TRIGGER {name}".encode())
        if word == "DISABLE":
            yield


def _has_rows(connection: Conn, table: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {table} LIMIT 1".encode()).fetchone() is not None


def _insert(ground: Tables, table: int, row: Row, number: int) -> bool:
    """Insert one row, with other values where a check names them; false where none is taken."""
    tried: set[str] = set()
    while True:
        error = _try(ground, table, row)
        if error is None:
            return True
        check = error.diag.constraint_name
        found = next((k for k in ground.checks if k[0] == check), None)
        if found is None or not check or check in tried:
            return False
        tried.add(check)
        better = next(_accepted(ground, table, row, found, number), None)
        if better is None:
            return False
        row = better


def _accepted(
    ground: Tables, table: int, row: Row, check: tuple[Any, ...], number: int
) -> Iterator[Row]:
    """Give rows that no longer fail for this check."""
    name, _, columns, definition = check
    # Of a domain's check it is not said which column it is about.
    groups = [columns] if columns else [[c.number] for c in ground.columns[table]]
    for group in groups:
        long = ground.planting.flavour == "words" and number == 1
        options = [_candidates(definition, row.get(column), number, long) for column in group]
        for chosen in itertools.islice(itertools.product(*options), _TRIES):
            other = {**row, **dict(zip(group, chosen, strict=True))}
            error = _try(ground, table, other, keep=False)
            another = error is not None and error.diag.constraint_name != name
            if error is None or (another and error.sqlstate == _CHECK):
                yield other


def _candidates(definition: str, now: str | None, row: int, long: bool) -> list[str | None]:
    """Give what a check may want in a column: what stands in it, and numbers beside those."""
    texts = [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", definition)]
    numbers = [float(n) for n in re.findall(r"(?<![\w.'])-?\d+(?:\.\d+)?", definition)]
    near = [f"{n + d:g}" for n in numbers for d in (0, 1, -1)]
    shaped = [shape.format(row) for shape in ((_LONG_SHAPE,) if long else ()) + _SHAPES]
    texts = texts[row - 1 :] + texts[: row - 1]
    return list(dict.fromkeys([now, *shaped, *texts, *near, None]))


def _try(ground: Tables, table: int, row: Row, *, keep: bool = True) -> psycopg.Error | None:
    import psycopg

    columns = [c for c in ground.columns[table] if c.number in row]
    names = ", ".join(c.name for c in columns)
    places = ", ".join("%s" for _ in columns)
    insert = (
        f"INSERT INTO {ground.names[table]} ({names}) OVERRIDING SYSTEM VALUE VALUES ({places})"
        if columns
        else f"INSERT INTO {ground.names[table]} DEFAULT VALUES"
    )
    try:
        with ground.connection.transaction(force_rollback=not keep):
            ground.connection.execute(insert.encode(), [row[c.number] for c in columns])
    except psycopg.Error as error:
        return error
    return None
