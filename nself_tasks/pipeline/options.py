"""What a run or rollback was asked to do, and what it found to undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nself_tasks.model import Migration, Script
from nself_tasks.schema_history import HistoryRow


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of `run` and `rollback`."""

    to: int | None = None
    steps: int | None = None
    down: Literal["auto", "file", "history"] = "auto"
    atomic: bool = False
    skip_backup: bool = False
    out_of_order: bool = False
    relabel: bool = False
    lock_wait: float = 30.0
    wait_for_db: float = 0.0
    """Seconds to wait for a database that does not answer yet."""
    recorded: tuple[int, ...] = ()
    """Versions to roll back although they were recorded without being run."""
    undecided: str | None = None
    yes: bool = False
    files_only: bool = False
    schema_only: bool = False
    builder: Literal["auto", "nself", "builtin"] = "auto"
    """Who makes the v2 files: the Go `nself` where its result is sound, or our own rewriters."""
    only: tuple[str, ...] = ()
    """The kinds of artifact to upgrade; empty means all."""
    skip: tuple[str, ...] = ()
    hasura: Literal["auto", "off"] = "auto"
    """Whether Hasura is told of a changed schema, where the stack has one."""
    show_sql: bool = False
    unfold: bool = False
    """Show a step for every migration, also the applied ones (`doit list`)."""


@dataclass(slots=True)
class Reversal:
    """One migration to roll back: its row, and the down script once it was checked."""

    migration: Migration
    row: HistoryRow
    script: Script | None = None
    difference: str = ""
    """A diff where the recorded down and the file differ."""
