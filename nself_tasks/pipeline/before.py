"""What is asked and found out before the first change, kept for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import NselfError
from nself_tasks.model import Script

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.database.counting import Counted
    from nself_tasks.pipeline.context import Context

Losses = tuple[tuple[str, str, "Counted"], ...]
"""Version, path of the script, and one thing that goes."""


@dataclass
class Before:
    """What one run has found out so far."""

    connection: Conn | None = None
    """The one that a plan looks through; a run has its session."""
    losses: Losses = ()
    confirmed: Losses | None = None
    """What a person has agreed to lose: a plan that is made again does not ask again."""
    refused: NselfError | None = None
    """Why `preflight` is blocked: a plan has closed its connection when it reports that."""
    notices: tuple[str, ...] = ()
    """What was said already."""
    confirm: Callable[[str], bool | None] = lambda text: None
    """Asks the person at the terminal; None where there is none."""

    def shown(self) -> list[dict[str, Any]]:
        """Give the losses as plain data for `--json`."""
        return [
            {"version": version, "path": path, **one._asdict()}
            for version, path, one in self.losses
        ]


def connection(context: Context) -> Conn | None:
    """Give the connection of a run or of a plan; None for a graph without a database."""
    return context.session.connection if context.session else context.before.connection


def scripts(context: Context) -> Iterator[tuple[str, Script]]:
    """Give version and script of all that this run or rollback would run; raises InputError."""
    if context.goal == "run":
        yield from ((m.version, context.script(m.up)) for m in context.pending)
        return
    for reversal in context.reversals:
        if reversal.migration.down:
            yield reversal.row.version, context.script(reversal.migration.down)


def say(context: Context, level: str, text: str) -> None:
    """Say something once, however often the graph is built."""
    if text not in context.before.notices:
        context.before.notices += (text,)
        context.notice(level, text)
