"""What is found around the database, and what becomes of it: the dump, Hasura."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Surroundings:
    """Noted on the way for the plan and the report; no step depends on it."""

    dump_tool: str = ""
    """Which pg_dump a run would take; found for a plan."""
    touched: tuple[str, ...] = ()
    """What a plan's migrations drop or rename that Hasura tracks, in words."""
    hasura: dict[str, Any] | None = None
    """What became of Hasura's reload, as the report has it; None where it was not asked."""
    progress: Callable[[int, float], None] = lambda size, seconds: None
    """Told the bytes that are there and the seconds that it took, while the dump is written."""
