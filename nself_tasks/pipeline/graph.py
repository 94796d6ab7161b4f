"""The whole graph of a run or a rollback: every creator, in the order in which a reader expects."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from nself_tasks.errors import Problem
from nself_tasks.model import Migration
from nself_tasks.pipeline import (
    apply,
    count_losses,
    creation,
    file_order,
    files_lock,
    hasura,
    install,
    order,
    preflight,
    prepare,
    record,
    regenerate,
    revert,
    upgrade,
)
from nself_tasks.pipeline.options import Reversal
from nself_tasks.pipeline.steps import StepDict
from nself_tasks.pipeline.upgrade_plan import NO_UPGRADE
from nself_tasks.schema_history import History, HistoryRow

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

goal = hasura.goal


def steps(context: Context) -> Iterator[StepDict]:
    """Give every step of the graph as data for doit."""
    context.loaded = context.fingerprint()
    if not context.upgrade.is_empty:
        yield from upgrade.scan(context)
        yield from files_lock.files_lock(context)
        yield from upgrade.stage(context)
        yield from regenerate.regenerate(context)
        yield from upgrade.backup_files(context)
        yield from install.intent(context)
    if context.uses_database:
        yield from _schema(context)
    yield from install.install(context, record.last_schema_step(context))
    yield from record.record(context)
    yield from hasura.reload(context)


def _schema(context: Context) -> Iterator[StepDict]:
    yield from prepare.history(context)
    if context.work_to_do or context.listed:
        yield from preflight.preflight(context)
        yield from count_losses.count_losses(context)
        yield from prepare.lock(context)
        yield from prepare.backup(context)
        yield from prepare.begin(context)
        yield from creation.create_history(context)
    if context.goal == "run":
        yield from apply.apply(context)
        yield from apply.commit(context)
    else:
        yield from revert.revert(context)


def problems(context: Context) -> list[Problem]:
    """Give every fault of every form of the graph at once: what CI asks with `graph --check`."""
    found = []
    for form in _forms(context):
        listed = list(steps(form))
        found += order.problems(
            listed,
            goal=goal(form),
            root=form.settings.project.root,
            backup=not form.options.skip_backup,
        )
        found += file_order.problems(listed)
    return list(dict.fromkeys(found))


def _forms(context: Context) -> Iterator[Context]:
    """Give the context for each form that its graph can take; the last one rolls all back."""
    yield context
    given = context.options
    for options in (
        replace(given, atomic=True),
        replace(given, unfold=True),
        replace(given, files_only=True),
    ):
        form = copy(context)
        form.options = options
        yield form
    rollback = copy(context)
    rollback.goal, rollback.upgrade = "rollback", NO_UPGRADE
    rows = tuple(_as_applied(migration) for migration in context.migrations)
    rollback.set_history(History(exists=True, rows=rows))
    pairs = zip(reversed(context.migrations), reversed(rows), strict=True)
    rollback.reversals = tuple(Reversal(migration, row) for migration, row in pairs)
    yield rollback


def _as_applied(migration: Migration) -> HistoryRow:
    return HistoryRow(
        id=0,
        version=migration.version,
        name=migration.name,
        checksum=migration.up.checksum,
        token_checksum="",
        down_checksum=None,
        state="applied",
        run_id="",
        applied_at=None,
        applied_by=None,
        execution_ms=None,
    )
