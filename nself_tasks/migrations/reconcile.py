"""Files and schema history held against each other: what is applied, pending, edited, missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from nself_tasks.errors import Problem
from nself_tasks.migrations.source import token_checksum
from nself_tasks.model import Migration
from nself_tasks.schema_history import History, HistoryRow

OUT_OF_ORDER = "out-of-order"
BLOCKING = ("edited", "renamed", "missing")
"""States that stop a run in every environment."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One version as its file and its history row see it together."""

    version: str
    name: str
    state: str
    """applied, pending, partial, edited, renamed, missing or out-of-order."""
    migration: Migration | None
    row: HistoryRow | None
    notes: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """The version as an integer."""
        return int(self.version)


def reconcile(migrations: Iterable[Migration], history: History) -> tuple[Standing, ...]:
    """Give the standing of every version that has a file or a row, in the order of versions."""
    rows = {row.number: row for row in history.rows}
    newest = max((n for n, row in rows.items() if row.state == "applied"), default=-1)
    found = []
    for migration in migrations:
        row = rows.pop(migration.number, None)
        found.append(_with_row(migration, row) if row else _without_row(migration, newest))
    found += [Standing(row.version, row.name, "missing", None, row) for row in rows.values()]
    return tuple(sorted(_renumbered(found), key=lambda s: (s.number, s.name)))


def _without_row(migration: Migration, newest: int) -> Standing:
    state = OUT_OF_ORDER if migration.number < newest else "pending"
    return Standing(migration.version, migration.name, state, migration, None)


def _with_row(migration: Migration, row: HistoryRow) -> Standing:
    state, notes = "applied", []
    if row.name != migration.name:
        state = "renamed"
        notes.append(f"applied as {row.version}_{row.name}")
    if row.state == "partial":
        state = "partial"
    elif row.checksum != migration.up.checksum:
        if token_checksum(migration.up.text) == row.token_checksum:
            notes.append("comments or white space were edited after it was applied")
        elif state == "applied":
            state = "edited"
    return Standing(migration.version, migration.name, state, migration, row, tuple(notes))


def _renumbered(found: list[Standing]) -> list[Standing]:
    """Say of a missing file that one with the same content but another version is there."""
    by_content = {s.migration.up.checksum: s for s in found if s.migration and s.row is None}
    result = []
    for standing in found:
        twin = by_content.get(standing.row.checksum) if standing.row else None
        if standing.state == "missing" and twin and twin.migration:
            note = f"{twin.migration.up.path.name} has the same content: was it renumbered?"
            standing = replace(standing, notes=(*standing.notes, note))
        result.append(standing)
    return result


def problem(standing: Standing) -> Problem | None:
    """Give what is wrong with a standing that stops every run, or None."""
    applied = standing.row.applied_at if standing.row else None
    when = f" on {applied:%Y-%m-%d %H:%M}" if applied else ""
    path = str(standing.migration.up.path) if standing.migration else None
    label = f"{standing.version}_{standing.name}"
    notes = "".join(f" ({note})" for note in standing.notes)
    if standing.state == "edited":
        return Problem(f"{standing.version} was edited after it was applied{when}{notes}", path)
    if standing.state == "renamed":
        return Problem(f"{standing.version} was renamed after it was applied{when}{notes}", path)
    if standing.state == "missing":
        return Problem(f"{label} was applied{when}, but its file is gone{notes}")
    return None


def to_apply(standings: Iterable[Standing], *, to: int | None) -> tuple[Migration, ...]:
    """Give the migrations that a run would apply, in order: those at or below the bound `to`."""
    return tuple(
        s.migration
        for s in standings
        if s.migration is not None
        and s.state in ("pending", "partial", OUT_OF_ORDER)
        and not (s.row and s.row.direction == "down")
        and (to is None or s.number <= to)
    )


def to_revert(
    history: History, *, steps: int | None = None, to: int | None = None
) -> tuple[HistoryRow, ...]:
    """Give the rows that a rollback would undo, the most recently applied first.

    With `to`, all above that bound; else the last `steps`.
    """
    newest_first = [
        r for r in reversed(history.rows) if r.state == "applied" or r.direction == "down"
    ]
    if to is not None:
        return tuple(r for r in newest_first if r.number > to)
    return tuple(newest_first[: steps or 1])
