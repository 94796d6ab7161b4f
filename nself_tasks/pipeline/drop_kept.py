"""The graph of `backups restore ID --drop-old`: what that restore has kept, and nothing else.

scan-kept ─► drop-old:<name> … ─► record
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from nself_tasks.database import marked_databases as marks
from nself_tasks.database import sessions
from nself_tasks.errors import NselfError
from nself_tasks.pipeline.steps import Call, Condition, StepDict, step_name

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

SCAN = "migrate:scan-kept"
DROP = "migrate:drop-old"
RECORD = "migrate:record"


@dataclass
class KeptDatabases:
    """The databases that restores of one backup have kept, told by their marks."""

    server: Conn
    of: str
    """The name of the database that took their place."""
    project: str
    backup: str
    disconnect: bool = False
    lock_wait: float = 30.0
    notice: Callable[[str, str], None] = field(default=lambda level, text: None)
    dropped: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Their names: the mark is ours, of this project, of this backup, of this database."""
        wanted = ("kept", self.of, self.project, self.backup)
        return [
            name
            for name, mark in marks.marked(self.server)
            if (mark.state, mark.of, mark.project, mark.backup) == wanted and name != self.of
        ]

    def check(self) -> bool:
        """Raise NselfError where there is none, and none was; gives False, because it looks."""
        if not self.names and not self.dropped:
            raise NselfError(
                f"no database is kept that a restore of the backup `{self.backup}` has replaced",
                hint="a kept one bears a comment that says so; `--drop-old` drops no other",
                database="unchanged",
            )
        return False

    def drop(self, name: str) -> None:
        """Drop one. Raises LockNotAcquired where somebody stays connected to it."""
        if not self.disconnect:
            sessions.wait_until_gone(
                self.server, name, ours=(), wait=self.lock_wait, notice=self.notice
            )
        marks.drop(self.server, name, force=self.disconnect)
        self.dropped.append(name)


def steps(kept: KeptDatabases) -> Iterator[StepDict]:
    """Give every step of the graph as data for doit."""
    yield {
        "basename": SCAN,
        "doc": f"look for what restores of {kept.backup} have kept",
        "actions": [Call(lambda: None)],
        "uptodate": [Condition(kept.check, "always looks, changes nothing")],
        "meta": {"stage": "scan", "check": True},
    }
    names = kept.names
    for name in names:
        yield {
            "basename": DROP,
            "name": step_name(name),
            "doc": f"drop the database that was `{kept.of}` until the restore",
            "actions": [Call(kept.drop, name)],
            "task_dep": [SCAN],
            "uptodate": [Condition(partial(_is_gone, kept, name), "is there")],
            "meta": {"stage": "restore"},
        }
    yield {
        "basename": RECORD,
        "doc": "look that they are gone",
        "actions": [Call(lambda: None)],
        "task_dep": [SCAN, *(f"{DROP}:{step_name(name)}" for name in names)],
        "uptodate": [Condition(lambda: not kept.names, "they are there")],
        "meta": {"stage": "record"},
    }


def _is_gone(kept: KeptDatabases, name: str) -> bool:
    return not marks.exists(kept.server, name)
