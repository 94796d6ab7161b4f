"""Counts the rows that would go: really where that is quick, else as the server last estimated."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from nself_tasks.database import cascades
from nself_tasks.database.questions import ask
from nself_tasks.database.reach import Reached, reach

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.migrations.losses import Loss

LARGE_PAGES = 8192
"""64 MB of pages of 8 kB: below that a count takes well under a second."""

SECONDS_A_COUNT = 2.0
SECONDS_IN_ALL = 10.0
"""After that only estimates are given: a person waits for the answer."""

_HOLDS_ROWS = ("r", "p", "m")


class Counted(NamedTuple):
    """One thing that goes, with the rows in it."""

    line: int
    statement: str
    kind: str
    name: str
    rows: int | None
    """Rows, or values that are not null of a column; None where it has none, or nobody knows."""
    about: bool
    """Whether it is the server's estimate."""
    named: bool
    """Whether the statement names it; else it goes by CASCADE."""
    unknown: str | None
    """Why it cannot be counted."""


def count(connection: Conn, losses: Sequence[Loss]) -> tuple[Counted, ...]:
    """Give what these statements take away, with real numbers of rows where they can be had.

    Reads only, in transactions that cannot write; takes about SECONDS_IN_ALL at most.
    """
    deadline = time.monotonic() + SECONDS_IN_ALL
    found: list[Counted] = []
    for _, group in groupby(losses, key=lambda loss: loss.path):
        found += _same_path(connection, list(group), deadline)
    return tuple(sorted(found, key=lambda one: one.line))


def _same_path(connection: Conn, losses: list[Loss], deadline: float) -> list[Counted]:
    found = [_unknown(one, one.reason) for one in losses if one.kind == "unknown"]
    for one in losses:
        if one.kind == "some rows":
            found += _deleted(connection, one, deadline)
    dropped = [one for one in losses if one.kind not in ("unknown", "some rows")]
    reached = reach(connection, dropped)
    if reached is None:
        return found + [
            _unknown(one, "the server did not say what depends on it") for one in dropped
        ]
    numbers = _numbers(connection, reached, deadline)
    return found + [_counted(one, number) for one, number in zip(reached, numbers, strict=True)]


def _unknown(loss: Loss, reason: str) -> Counted:
    return Counted(loss.line, loss.shown, "unknown", loss.name, None, False, True, reason)


def _deleted(connection: Conn, loss: Loss, deadline: float) -> list[Counted]:
    query = f"SELECT count(*) FROM {loss.query}\n"
    rows = ask(connection, query, settings=loss.path, seconds=_left(deadline))
    if not rows:
        return [_unknown(loss, "the server did not count its rows in time, or may not")]
    found = [Counted(loss.line, loss.shown, "rows", loss.name, rows[0][0], False, True, None)]
    return found + [
        Counted(loss.line, loss.shown, one.kind, one.name, one.rows, False, False, one.reason)
        for one in cascades.beside(connection, loss, seconds=_left(deadline))
    ]


def _left(deadline: float) -> float:
    return max(0.05, min(SECONDS_A_COUNT, deadline - time.monotonic()))


def _numbers(
    connection: Conn, reached: Sequence[Reached], deadline: float
) -> list[tuple[int | None, bool]]:
    """Give number and whether it is an estimate for each; all small ones in one round trip."""
    quick = [one for one in reached if _holds_rows(one) and _pages(one) <= LARGE_PAGES]
    exact: dict[int, int] = {}
    query = " UNION ALL ".join(f"SELECT {id(one)}, {_select(one)}" for one in quick)
    rows = ask(connection, query, seconds=_left(deadline)) if quick else []
    for one in quick if rows is None else ():
        # One of them may not be read, or is locked: the others are counted by themselves.
        answer = ask(connection, f"SELECT {_select(one)}", seconds=_left(deadline))
        if answer:
            exact[id(one)] = answer[0][0]
    exact.update(dict(rows or ()))
    return [
        (exact[id(one)], False) if id(one) in exact else (_estimate(one), True) for one in reached
    ]


def _holds_rows(one: Reached) -> bool:
    return one.relkind in _HOLDS_ROWS


def _select(one: Reached) -> str:
    what = f"count({one.column})" if one.column else "count(*)"
    only = "ONLY " if one.relkind == "r" and not one.column and one.loss.kind != "rows" else ""
    return f"{what} FROM {only}{one.identity}"


def _pages(one: Reached) -> int:
    return one.pages + sum(map(_pages, one.parts))


def _estimate(one: Reached) -> int | None:
    parts: Iterable[Reached] = one.parts if one.relkind == "p" else (one,)
    estimates = [part.estimate for part in _flat(parts)]
    return round(sum(estimates)) if estimates and min(estimates) >= 0 else None


def _flat(parts: Iterable[Reached]) -> Iterable[Reached]:
    for part in parts:
        yield from _flat(part.parts) if part.parts else (part,)


def _counted(one: Reached, number: tuple[int | None, bool]) -> Counted:
    rows, about = number if _holds_rows(one) else (None, False)
    name = f"{one.identity}.{one.column}" if one.column else one.identity
    unknown = None
    if _holds_rows(one) and rows is None:
        unknown = "its rows may not be read, or not in time, and were never estimated"
    return Counted(one.loss.line, one.loss.shown, one.kind, name, rows, about, one.named, unknown)
