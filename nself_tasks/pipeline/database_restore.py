"""The graph of `backups restore --database`: through a fresh database, never over the old one.

scan-backup ─► restore:database:create ─► :data ─► :check ─► :properties ─► :swap ─► record
                 setup: lock, restore:database:leftovers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from nself_tasks.pipeline import restore_actions as actions
from nself_tasks.pipeline import restore_guards
from nself_tasks.pipeline.steps import Call, Condition, StepDict

if TYPE_CHECKING:
    from nself_tasks.pipeline.database_restoration import DatabaseRestoration

SCAN = "migrate:scan-backup"
LOCK = "migrate:lock"
RESTORE = "migrate:restore:database"
RECORD = "migrate:record"


def steps(restoration: DatabaseRestoration) -> Iterator[StepDict]:
    """Give every step of the graph as data for doit."""
    yield {
        "basename": SCAN,
        "doc": f"verify the backup {restoration.backup.id} and compare it with the server",
        "actions": [Call(lambda: None)],
        "uptodate": [
            Condition(lambda: restore_guards.check(restoration), "always looks, changes nothing")
        ],
        "meta": {"stage": "scan", "check": True},
    }
    setup = [f"{RESTORE}:leftovers"]
    if restoration.options.into is None:
        yield _lock(restoration)
        setup = [LOCK, *setup]
    yield from _restore(restoration, setup)
    yield {
        "basename": RECORD,
        "doc": "read what the restored database says is applied, end an unfinished run",
        "actions": [Call(actions.record, restoration)],
        "task_dep": [SCAN, f"{RESTORE}:swap"],
        "uptodate": [Condition(lambda: False, "the restore ends here")],
        "meta": {"stage": "record"},
    }


def _lock(restoration: DatabaseRestoration) -> StepDict:
    return {
        "basename": LOCK,
        "doc": "one runner at a time: take the migration lock, and see that nobody is connected",
        "actions": [Call(actions.take_lock, restoration)],
        "task_dep": [SCAN],
        "uptodate": [
            Condition(lambda: restoration.is_locked, "this restore does not hold the lock yet")
        ],
        "meta": {"stage": "lock"},
    }


def _restore(restoration: DatabaseRestoration, setup: list[str]) -> Iterator[StepDict]:
    """One database in steps; each but the last leaves the one of today alone."""
    yield {
        "basename": RESTORE,
        "name": "leftovers",
        "doc": "drop what restores of this database have left that were killed",
        "actions": [Call(actions.sweep, restoration)],
        "task_dep": setup[:-1] or [SCAN],
        "uptodate": [Condition(partial(_is_clean, restoration), "looks for what has our mark")],
        "meta": {"stage": "restore"},
    }
    before = SCAN
    for phase in _phases(restoration):
        yield {
            "basename": RESTORE,
            "name": phase.name,
            "doc": phase.title,
            "actions": [Call(phase.action, restoration)],
            "task_dep": [before],
            "setup": setup if phase.name == "create" else [],
            "uptodate": [Condition(phase.is_done, phase.why)],
            "meta": {"stage": "restore", "inputs": _inputs(restoration, phase.name)},
        }
        before = f"{RESTORE}:{phase.name}"


class _Phase(NamedTuple):
    """One step of the chain."""

    name: str
    title: str
    action: Callable[[DatabaseRestoration], dict[str, Any] | None]
    is_done: Callable[[], bool]
    why: str


def _phases(restoration: DatabaseRestoration) -> Iterator[_Phase]:
    yield _Phase(
        "create",
        "make a fresh database as the dump says",
        actions.create,
        lambda: restoration.fresh is not None,
        "is not there",
    )
    yield _Phase(
        "data",
        "restore the dump into it",
        actions.fill,
        lambda: restoration.is_filled,
        "is empty",
    )
    yield _Phase(
        "check",
        "hold what is there against the dump's table of contents",
        actions.complete,
        lambda: restoration.is_complete,
        "nobody has looked",
    )
    yield _Phase(
        "properties",
        "its settings, rights and limits",
        actions.describe,
        lambda: restoration.is_described,
        "it has none",
    )
    new = restoration.options.into
    yield _Phase(
        "swap",
        f"give it the name {new}" if new else "swap the names at once; the old database is kept",
        actions.swap,
        lambda: restoration.has_swapped,
        "has another name",
    )


def _is_clean(restoration: DatabaseRestoration) -> bool:
    return not actions.leftovers(restoration)


def _inputs(restoration: DatabaseRestoration, name: str) -> list[str]:
    if name != "data":
        return []
    return [str(restoration.settings.project.shown(restoration.dump))]
