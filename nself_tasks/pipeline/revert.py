"""The stage `revert`: one step a migration to roll back, the most recently applied first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import InputError
from nself_tasks.migrations.masked import masked_statement
from nself_tasks.migrations.script import segments
from nself_tasks.pipeline.prepare import HISTORY, setup_steps
from nself_tasks.pipeline.steps import Call, Condition, StepDict

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context
    from nself_tasks.pipeline.options import Reversal


def revert(context: Context) -> Iterator[StepDict]:
    """Give the chain of revert steps."""
    previous = HISTORY
    for reversal in context.reversals:
        version = reversal.row.version
        yield {
            "basename": "migrate:revert",
            "name": version,
            "doc": reversal.row.name,
            "actions": [Call(_revert, context, reversal)],
            "task_dep": [previous],
            "setup": setup_steps(context),
            "uptodate": [Condition(partial(_is_undone, context, reversal), "is applied")],
            "meta": {"stage": "revert", **_shown(context, reversal)},
        }
        previous = f"migrate:revert:{version}"


def _is_undone(context: Context, reversal: Reversal) -> bool:
    return all(row.number != reversal.row.number for row in context.history.rows)


def _shown(context: Context, reversal: Reversal) -> dict[str, Any]:
    down = reversal.migration.down
    if down is None:
        return {"inputs": []}
    shown: dict[str, Any] = {"inputs": [str(down.path)]}
    try:
        script = context.script(down)
    except InputError:
        # `history` is blocked by it and names every such file.
        return shown
    shown["segments"] = list(segments(script))
    if context.options.show_sql:
        shown["sql"] = [masked_statement(s.text) for s in script.statements]
    return shown


def _revert(context: Context, reversal: Reversal) -> dict[str, Any]:
    from nself_tasks.database import apply as database
    from nself_tasks.database import history
    from nself_tasks.database.work import Work

    session, script = context.require_session(), reversal.script
    assert script is not None, "check_reversals has parsed every down"
    work = Work(reversal.migration, script, "down", context.run_facts(), reversal.row.id)
    database.run(session, work)
    context.set_history(history.read(session.connection))
    return {"statements": len(script.statements)}
