"""The whole graph of a run or a rollback: every creator, in the order in which a reader expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nself_tasks.errors import Problem
from nself_tasks.pipeline import apply, creation, order, prepare, record, revert
from nself_tasks.pipeline.steps import StepDict

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

GOAL = record.RECORD


def steps(context: Context) -> Iterator[StepDict]:
    """Give every step of the graph as data for doit."""
    context.loaded = context.fingerprint()
    yield from prepare.history(context)
    if context.work_to_do or context.options.unfold:
        yield from prepare.lock(context)
        yield from prepare.backup(context)
        yield from prepare.begin(context)
        yield from creation.create_history(context)
    if context.goal == "run":
        yield from apply.apply(context)
        yield from apply.commit(context)
    else:
        yield from revert.revert(context)
    yield from record.record(context)


def problems(context: Context) -> list[Problem]:
    """Give every fault of the graph at once: what CI asks with `graph --check`."""
    return order.problems(
        steps(context),
        goal=GOAL,
        root=context.settings.project.root,
        backup=not context.options.skip_backup,
    )
