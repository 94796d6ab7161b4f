"""A draft of a migration, and what its proof on a scratch database has shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["screen", "start", "up", "down", "compare", "rows", "up again"]
"""Where a draft fails: screened by our rules, the schema as it is, up, down, the catalogs or the
planted rows compared with those before, up once more."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model has drafted."""

    name: str
    up: str
    down: str
    notes: str = ""
    loses_data: bool = False
    """Whether the model says that the down loses data."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason why a draft is not proven, in words that a model or a person can work with."""

    stage: Stage
    message: str
    sqlstate: str | None = None
    line: int | None = None
    """In the text of `up` or `down`, from 1."""
    raised: bool = False
    """Whether code raised it, which could give it any text: a function, or a DO block."""
    altered: str | None = None
    """The table of the ALTER TABLE that failed, as written there."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen while the draft ran."""

    locks: tuple[str, ...] = ()
    """`ACCESS EXCLUSIVE on public.users` …: the strongest lock on each table that was there."""
    rewritten: tuple[str, ...] = ()
    """Tables whose storage was written anew."""
    losing: tuple[str, ...] = ()
    """What down, or up, takes away for good: `column public.users.note (2 of 3 rows)`."""
    outside_transaction: tuple[str, ...] = ()
    """Statements that cannot run in a transaction."""
    conditional: tuple[str, ...] = ()
    """What holds for some data only: a text that is to be a number."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the proof of a draft has shown."""

    proven: bool
    faults: tuple[Fault, ...] = ()
    observed: Observed = Observed()
    seconds: float = 0.0
    unproven: str | None = None
    """Why nothing could be proven at all: no scratch server, a schema that cannot be copied."""
