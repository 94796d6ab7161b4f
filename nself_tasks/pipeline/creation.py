"""The stage `create-history`: the history table, made under the lock by the first real run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nself_tasks.pipeline import guards
from nself_tasks.pipeline.prepare import BACKUP, BEGIN, CREATE, LOCK, setup_steps
from nself_tasks.pipeline.steps import Call, Condition, StepDict

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context


def create_history(context: Context) -> Iterator[StepDict]:
    """Create `public._nself_migrations` on the first real run; write a new label on `--relabel`."""
    if context.goal != "run":
        return
    before = [s for s in (LOCK, BACKUP, BEGIN) if s in setup_steps(context)]
    relabels = context.history.exists and context.options.relabel
    why = "the database has no history table yet"
    if context.history.exists:
        why = "--relabel was given" if relabels else "the database has its history table"
    yield {
        "basename": CREATE,
        "doc": "write the new label of this database"
        if relabels
        else "create the history table public._nself_migrations",
        "actions": [Call(_create, context)],
        "task_dep": before,
        "uptodate": [
            Condition(
                lambda: context.history.exists and not context.options.relabel,
                why,
            )
        ],
        "meta": {"stage": "create-history"},
    }


def _create(context: Context) -> None:
    from nself_tasks.database import history, history_tables

    if context.history.exists and not context.options.relabel:
        # doit's `--always-execute` asks for it; a label is only changed by who asks for that.
        return
    session, settings = context.require_session(), context.settings
    label = {"project": settings.project_name or "", "environment": settings.environment.name}
    guards.check_flags(context)
    with history_tables.changing(session.connection, user=session.facts.user):
        if context.history.exists:
            history_tables.relabel(session.connection, **label)
        else:
            _announce(context)
            history_tables.create(session.connection, **label)
    context.set_history(history.read(session.connection))


def _announce(context: Context) -> None:
    """Tell the claim the id of a transaction of ours that is not a migration's."""
    session = context.require_session()
    if session.in_batch:
        return
    row = session.connection.execute(
        "SELECT pg_catalog.pg_current_xact_id()::text::bigint"
    ).fetchone()
    if row:
        context.transaction_began(row[0])
