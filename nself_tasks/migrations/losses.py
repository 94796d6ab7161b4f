"""What a script takes away, read from its text: tables, columns, rows, and what nobody can tell.

DROP TABLE a, b CASCADE;               →  table a, table b, and whatever hangs on them
ALTER TABLE a DROP COLUMN c, DROP d;   →  columns a.c and a.d
DELETE FROM a WHERE old;               →  the rows of a for which `old` holds
DO $$ … $$;                            →  cannot be counted
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from nself_tasks.migrations.calls import called_function
from nself_tasks.migrations.column_losses import lost_columns
from nself_tasks.migrations.reader import (
    Reader,
    after_words,
    first_word,
    stored_parts,
)
from nself_tasks.migrations.session_settings import in_force
from nself_tasks.model import Script

DROPPED = {
    ("table",): "relation",
    ("foreign", "table"): "relation",
    ("materialized", "view"): "relation",
    ("view",): "relation",
    ("sequence",): "relation",
    ("type",): "type",
    ("domain",): "type",
    ("schema",): "schema",
    ("extension",): "extension",
}
"""The kinds of a DROP that can take data away, and which catalog has them."""

_BEYOND = ("database", "owned", "subscription")
"""What a DROP of these takes away lies outside of what one query can ask."""

_OVERWRITES = "it overwrites values"


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that a statement takes away."""

    kind: str
    """relation, type, schema, extension, column, rows, some rows or unknown."""
    shown: str
    """The statement in short."""
    line: int
    name: str = ""
    """As written."""
    column: str = ""
    cascade: bool = False
    query: str = ""
    """For some rows: what comes after `DELETE FROM`."""
    reason: str = ""
    """For unknown: why it cannot be counted."""
    path: tuple[str, ...] = ()
    """The statements that set the search path in which the name is read."""


def losses(script: Script) -> tuple[Loss, ...]:
    """Give what the statements of a script take away, in their order."""
    found: list[Loss] = []
    for statement, settings in zip(script.statements, in_force(script), strict=True):
        found += (
            _placed(loss, statement.line, settings.path) for loss in _of_statement(statement.text)
        )
    return tuple(found)


def _placed(loss: Loss, line: int, path: tuple[str, ...]) -> Loss:
    told = loss.kind in ("unknown", "some rows") or stored_parts(loss.name) is not None
    if not told:
        return Loss("unknown", loss.shown, line, reason="its name cannot be read from the text")
    return replace(loss, line=line, path=path)


def _of_statement(text: str) -> Iterable[Loss]:
    first = first_word(text)
    reads = {
        "drop": _drop,
        "alter": _alter,
        "truncate": _truncate,
        "delete": _delete,
        "do": lambda _: [_unknown("DO", "what a DO block does is not in its text")],
        "call": lambda text: [_unknown(f"CALL {_after(text, 'call')}", "a procedure may do all")],
        "execute": lambda _: [_unknown("EXECUTE", "what it runs was prepared elsewhere")],
        "merge": lambda _: [_unknown("MERGE", "which rows it changes depends on both sides")],
        "update": lambda text: [_unknown(f"UPDATE {_after(text, 'update')}", _OVERWRITES)],
        "insert": _insert,
        "with": _with,
        "select": _select,
    }
    return reads[first](text) if first in reads else ()


def _unknown(shown: str, reason: str) -> Loss:
    return Loss("unknown", shown, 0, reason=reason)


def _after(text: str, *words: str) -> str:
    read = Reader(text, 24)
    read.words(*words)
    read.words("only")
    return read.name() or "…"


def _drop(text: str) -> Iterator[Loss]:
    read = Reader(text)
    read.words("drop")
    said = " ".join(read.rest()[:1])
    if said in _BEYOND:
        yield _unknown(f"DROP {said.upper()}", "it reaches beyond what can be asked")
        return
    for words, kind in DROPPED.items():
        if read.words(*words):
            read.words("if", "exists")
            names = read.names()
            cascade = read.words("cascade")
            verb = f"DROP {' '.join(words).upper()}"
            for name in names:
                shown = f"{verb} {name}{' CASCADE' if cascade else ''}"
                yield Loss(kind, shown, 0, name, cascade=cascade)
            return
    if read.rest()[-1:] == ["cascade"]:
        yield _unknown(f"DROP {said.upper()} … CASCADE", "what CASCADE reaches is not in its text")


def _alter(text: str) -> Iterator[Loss]:
    read = Reader(text)
    read.words("alter")
    read.words("foreign")
    if read.words("type"):
        if "attribute" in read.rest() and "drop" in read.rest():
            yield _unknown("ALTER TYPE … DROP ATTRIBUTE", "values of the type are everywhere")
        return
    if not read.words("table"):
        return
    read.words("if", "exists")
    table = "".join(read.names()[:1])
    for shown, column, cascade in lost_columns(table, read.written()):
        yield Loss("column", shown, 0, table, column, cascade)


def _truncate(text: str) -> Iterator[Loss]:
    read = Reader(text)
    read.words("truncate")
    read.words("table")
    names = read.names()
    cascade = read.rest()[-1:] == ["cascade"]
    for name in names:
        shown = f"TRUNCATE {name}{' CASCADE' if cascade else ''}"
        yield Loss("rows", shown, 0, name, cascade=cascade)


def _delete(text: str) -> Iterator[Loss]:
    read = Reader(text)
    read.words("delete", "from")
    read.words("only")
    name = read.name() or "…"
    rest, shown = read.rest(), f"DELETE FROM {name}"
    if "where" not in rest and "using" not in rest:
        yield Loss("some rows", shown, 0, name, query=after_words(text, 2))
        return
    shown += " …"
    if {"using", "returning", "current"} & set(rest):
        yield _unknown(shown, "USING, RETURNING and CURRENT OF are not counted")
    elif function := called_function(rest):
        yield _unknown(shown, f"its condition calls {function}(), which may do more than answer")
    else:
        yield Loss("some rows", shown, 0, name, query=after_words(text, 2))


def _insert(text: str) -> Iterator[Loss]:
    # Most of them are long lists of values, in which there is nothing to read.
    words = Reader(text).rest() if "conflict" in text.lower() else []
    if ("do", "update") in pairwise(words):
        shown = f"INSERT INTO {_after(text, 'insert', 'into')} … ON CONFLICT DO UPDATE"
        yield _unknown(shown, _OVERWRITES)


def _with(text: str) -> Iterator[Loss]:
    verbs = {"delete", "update", "merge"} & set(Reader(text).rest())
    if verbs:
        yield _unknown(f"WITH … {min(verbs).upper()}", "which rows it changes depends on its parts")


def _select(text: str) -> Iterator[Loss]:
    if function := called_function(Reader(text).rest()):
        yield _unknown(f"SELECT {function}()", "what a function does is not in its text")
