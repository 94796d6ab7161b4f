"""`run --dry-run`, `rollback --dry-run` and `graph`: the task graph as a listing."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nself_tasks.commands.differences import changed_files
from nself_tasks.commands.maintenance_note import say_unless_in_maintenance
from nself_tasks.commands.questions import require_somebody
from nself_tasks.commands.sentences import with_ways_out
from nself_tasks.commands.upgrade_note import say_other_values
from nself_tasks.errors import ConnectionFailed, GraphError, InputError
from nself_tasks.model import Report, Step, StepStatus
from nself_tasks.pipeline import engine, graph, guards, hasura, runnable, upgrade
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.opening import described, looking, say_bound
from nself_tasks.pipeline.options import Options
from nself_tasks.reporting.document import error_object, step_object

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Notice
    from nself_tasks.settings import Settings


def dry_run(
    settings: Settings,
    options: Options,
    *,
    goal: Literal["run", "rollback"],
    notice: Notice,
    offline: bool = False,
    diff: bool = False,
) -> Report:
    """Give what a run or rollback would do; exit 1 when a step is blocked."""
    context = Context(settings, options, goal=goal, notice=notice)
    guards.check_flags(context)
    asks = context.uses_database and not offline
    try:
        with nullcontext(context) if not asks else looking(context):
            say_bound(context)
            say_other_values(context)
            if not offline:
                say_unless_in_maintenance(context)
            if asks:
                require_somebody(context)
                hasura.look(context)
            steps = engine.plan(graph.steps(context), graph.goal(context))
    except ConnectionFailed as error:
        raise with_ways_out(context, error) from None
    if offline:
        context.notice("note", "planned without the database: every migration counts as pending")
    blocked = any(step.status is StepStatus.BLOCKED for step in steps)
    data: dict[str, Any] = {
        **described(context),
        "dry_run": True,
        "offline": not asks,
        "database": "unchanged",
        "steps": [step_object(step) for step in steps],
        "files": changed_files(settings.project, context.upgrade, diff=diff),
        "summary": _summary(context, steps),
    }
    return Report(f"{goal}", 1 if blocked else 0, data, error=_blocked(context, steps))


def _summary(context: Context, steps: tuple[Step, ...]) -> dict[str, int]:
    counts = Counter(step.status.value for step in steps)
    found = {status.value: counts[status.value] for status in StepStatus}
    found["pending"] = len(context.pending) if context.goal == "run" else 0
    found["to_revert"] = len(context.reversals)
    found["applied"] = sum(1 for row in context.history.rows if row.state == "applied")
    return found


def _blocked(context: Context, steps: tuple[Step, ...]) -> dict[str, Any] | None:
    """Give the error of the first blocked step, whole: the plan has only its sentences."""
    from nself_tasks.errors import NselfError

    if not any(step.status is StepStatus.BLOCKED for step in steps):
        return None
    try:
        upgrade.check(context)
        context.check()
    except NselfError as error:
        return error_object(error)
    if context.before.refused is not None:
        return error_object(context.before.refused)
    return error_object(GraphError("a step of this plan is blocked", database="unchanged"))


def _check_graph(context: Context) -> None:
    """Raise GraphError or InputError with every fault of the graph and of the folder's SQL."""
    faults = graph.problems(context)
    files = (file for m in context.migrations for file in (m.up, m.down) if file)
    try:
        # The folder's SQL belongs to what CI wants to know, and needs no database.
        runnable.require_runnable(context, list(files))
    except InputError as error:
        if not faults:
            raise
        faults += error.problems
    if faults:
        raise GraphError(
            f"the task graph has {len(faults)} fault{'s' if len(faults) > 1 else ''}",
            problems=faults,
            hint="this is a fault of `nself migrate`, or of a change to its creators",
            database="unchanged",
        )


def show_graph(settings: Settings, options: Options, *, check: bool, notice: Notice) -> Report:
    """Give the task graph without asking any database; with `check` every fault of it at once."""
    context = Context(settings, options, notice=notice)
    _check_graph(context)
    steps = engine.plan(graph.steps(context), graph.goal(context))
    data: dict[str, Any] = {
        "goal": graph.goal(context),
        "checked": check,
        "project": Path(settings.project.root).name,
        "steps": [step_object(step) for step in steps],
    }
    return Report("graph", 0, data)
