"""The goal: what the database says now is what this run was to bring about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nself_tasks import installation
from nself_tasks import intent as intents
from nself_tasks.errors import GuardError, HistoryError
from nself_tasks.maintenance.refit import refit
from nself_tasks.pipeline import claim, retain
from nself_tasks.pipeline.apply import COMMIT
from nself_tasks.pipeline.prepare import HISTORY, setup_steps
from nself_tasks.pipeline.steps import Call, Condition, StepDict, step_name
from nself_tasks.pipeline.upgrade import SCAN

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

RECORD = "migrate:record"


def record(context: Context) -> Iterator[StepDict]:
    """Hold what is there now against the plan, and end the run's claim on its backup."""
    before = _everything_else(context)
    closing = list(retain.retain(context, before))
    yield from closing
    yield from _goal(context, before + [step["basename"] for step in closing])


def _everything_else(context: Context) -> list[str]:
    installs = [f"migrate:install:{step_name(entry.path)}" for entry in context.upgrade.entries]
    last = last_schema_step(context)
    return [*([last] if last else []), *installs]


def _goal(context: Context, before: list[str]) -> Iterator[StepDict]:
    project = context.settings.project
    planned = [m.version for m in context.pending] if context.uses_database else []
    reverted = [r.row.version for r in context.reversals]
    relabels = context.goal == "run" and context.uses_database and context.only_relabels
    changes = bool(planned or reverted or relabels or context.upgrade.entries)
    yield {
        "basename": RECORD,
        "doc": _title(context),
        "actions": [Call(_record, context, planned, reverted)],
        "task_dep": before,
        "setup": setup_steps(context) if relabels else [],
        "uptodate": [
            Condition(
                lambda: not changes and not claim.path(project).exists(),
                "the run ends here" if changes else "nothing is pending",
            )
        ],
        "meta": {"stage": "record"},
    }


def _title(context: Context) -> str:
    both = ["history"] if context.uses_database else []
    both += ["files"] if context.upgrade.entries else []
    what = " and ".join(both)
    them = "it" if both == ["history"] else "them"
    return f"read {what} again and hold {them} against the plan"


def last_schema_step(context: Context) -> str | None:
    """Give the step after which the database is as it is to be; None where it is not asked."""
    if not context.uses_database:
        return SCAN if context.upgrade.entries else None
    if context.goal == "rollback":
        reverted = context.reversals
        return f"migrate:revert:{reverted[-1].row.version}" if reverted else HISTORY
    if context.pending and context.options.atomic:
        return COMMIT
    return f"migrate:apply:{context.listed[-1].version}" if context.listed else HISTORY


def _record(context: Context, planned: list[str], reverted: list[str]) -> dict[str, Any]:
    """Raise HistoryError when a migration that was reported done is not in the history."""
    if context.uses_database:
        _check_history(context, planned, reverted)
    if context.upgrade.entries:
        _finish_upgrade(context)
    claim.remove(context.settings.project)
    files = [entry.path for entry in context.upgrade.entries]
    return {"applied": planned, "reverted": reverted, "files": files}


def _check_history(context: Context, planned: list[str], reverted: list[str]) -> None:
    from nself_tasks.database import history
    from nself_tasks.database.recovery import ORPHAN_SECONDS

    session = context.require_session()
    # All that was to be done is done: a lost connection must not make it look undone.
    session.revive(wait=ORPHAN_SECONDS)
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


def _finish_upgrade(context: Context) -> None:
    """Write what was upgraded and end the intent; GuardError where a file is not in place."""
    project, plan = context.settings.project, context.upgrade
    missing = [e.path for e in plan.entries if not installation.is_installed(project, e)]
    if missing:
        raise GuardError(
            "files are not what this run made of them: " + ", ".join(missing),
            hint="somebody changed them while this ran: look at them, then run again",
        )
    intents.write_state(
        project,
        {
            "format": 1,
            "era": plan.era,
            # What only a person could decide is still asked for afterwards.
            "undecided": sorted(plan.undecided),
            "run_id": context.run_id,
            "backup": context.files_backup,
            "files": [entry.path for entry in plan.entries],
        },
    )
    refit(project, context.settings.cascade.values.get, context.notice)
    intents.remove_intent(project)
