"""The goal: what the database says now is what this run was to bring about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import HistoryError
from nself_tasks.pipeline import claim
from nself_tasks.pipeline.apply import COMMIT
from nself_tasks.pipeline.prepare import HISTORY, setup_steps
from nself_tasks.pipeline.steps import Call, Condition, StepDict

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

RECORD = "migrate:record"


def record(context: Context) -> Iterator[StepDict]:
    """Read the history again, hold it against the plan, and end the run's claim on its backup."""
    planned = [m.version for m in context.pending]
    reverted = [r.row.version for r in context.reversals]
    relabels = context.goal == "run" and context.only_relabels
    changes = bool(planned or reverted or relabels)
    yield {
        "basename": RECORD,
        "doc": "read the history again and hold it against the plan",
        "actions": [Call(_record, context, planned, reverted)],
        "task_dep": [_last(context, planned, reverted)],
        "setup": setup_steps(context) if relabels else [],
        "uptodate": [
            Condition(
                lambda: not changes and not claim.path(project).exists(),
                "the run ends here" if changes else "nothing is pending",
            )
        ],
        "meta": {"stage": "record"},
    }
    project = context.settings.project


def _last(context: Context, planned: list[str], reverted: list[str]) -> str:
    if context.goal == "rollback":
        return f"migrate:revert:{reverted[-1]}" if reverted else HISTORY
    if planned and context.options.atomic:
        return COMMIT
    return f"migrate:apply:{context.listed[-1].version}" if context.listed else HISTORY


def _record(context: Context, planned: list[str], reverted: list[str]) -> dict[str, Any]:
    """Raise HistoryError when a migration that was reported done is not in the history."""
    from nself_tasks.database import history

    session = context.require_session()
    context.set_history(history.read(session.connection))
    lost = [v for v in planned if not context.is_applied(v)]
    lost += [v for v in reverted if context.is_applied(v)]
    if lost:
        raise HistoryError(
            "the database does not show what this run did: " + ", ".join(lost),
            hint="somebody changed the history table while this ran; look at `nself migrate"
            " status`",
            database="unknown",
        )
    claim.remove(context.settings.project)
    return {"applied": planned, "reverted": reverted}
