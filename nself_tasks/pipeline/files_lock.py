"""One runner at a time on the project's files, and a second look once the lock is had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from nself_tasks.file_lock import file_lock
from nself_tasks.pipeline.steps import Call, Condition, PlanStale, StepDict
from nself_tasks.pipeline.upgrade_plan import look, scan

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

FILES_LOCK = "migrate:files-lock"


def files_lock(context: Context) -> Iterator[StepDict]:
    """Take the lock on the files, always before the database's; a stale plan is made again."""
    yield {
        "basename": FILES_LOCK,
        "doc": "one runner at a time: take the lock on the project's files",
        "actions": [Call(_take, context)],
        "teardown": [Call(_release, context)],
        "uptodate": [
            Condition(lambda: context.files_locked is not None, "this run does not hold it yet")
        ],
        "meta": {"stage": "files-lock"},
    }


def _take(context: Context) -> None:
    """Raise PlanStale where somebody changed the files while this run waited."""
    held = ExitStack()
    wait = context.options.lock_wait
    held.enter_context(file_lock(context.settings.project, wait, notice=context.notice))
    context.files_locked = held
    plan, options = context.upgrade, context.options
    now = scan(context.settings.project, only=options.only, skip=options.skip)
    if (now.seen, now.unfinished) != (plan.seen, plan.unfinished):
        context.upgrade = look(context.settings, options)
        context.stale = True
        raise PlanStale


def _release(context: Context) -> None:
    # A stale graph is built again under the same lock: nobody may come in between.
    if not context.stale:
        release(context)


def release(context: Context) -> None:
    """Give the lock back, if this run holds it."""
    if context.files_locked is not None:
        context.files_locked.close()
        context.files_locked = None
