"""`run` and `rollback`: open the target, run the graph, and say what the database says after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nself_tasks.errors import DatabaseState, MigrationFailed, NselfError, unexpected
from nself_tasks.model import Report
from nself_tasks.pipeline import engine, graph, guards
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.opening import described, refresh, say_bound, session_for
from nself_tasks.pipeline.options import Options
from nself_tasks.pipeline.reporter import EventReporter
from nself_tasks.reporting.document import error_object

if TYPE_CHECKING:
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


@dataclass(frozen=True, slots=True)
class _After:
    """What the database says when a run has ended."""

    state: DatabaseState
    changed: tuple[str, ...] = ()


def execute(
    settings: Settings, options: Options, *, goal: Literal["run", "rollback"], terminal: Terminal
) -> Report:
    """Run the graph of a goal. The report's exit code is 0 or 1; a signal is raised again.

    Raises NselfError for what was refused before the database was asked.
    """
    from nself_tasks.database.watch import Watch

    context = Context(settings, options, goal=goal, notice=terminal.notice)
    guards.check_flags(context)
    if goal == "run" and not context.migrations and not settings.project.migrations_dir.is_dir():
        sentence = "no migrations folder: the database was not asked, nothing to do"
        return Report(goal, 0, {**_data(context, _After("unchanged")), "sentence": sentence})
    if settings.era == "v1":
        terminal.notice("note", "this project is v1; its files are left as they are")
    with session_for(context) as url:
        say_bound(context)
        with Watch(context.require_session()):
            outcome = _run(context, terminal)
        # Closed before the summary is read: whatever we left open must not be seen as done.
        context.require_session().close()
        return _report(context, outcome, url)


def _run(context: Context, terminal: Terminal) -> engine.Outcome:
    """Run the graph; when it is stale after the lock, build it again under the same lock."""
    while True:
        reporter = EventReporter(terminal.event)
        outcome = engine.execute(graph.steps(context), reporter, context.journal())
        if not context.stale:
            return outcome
        context.stale = False
        terminal.notice("note", "history or files changed while waiting: the plan was made again")
        refresh(context)


def _report(context: Context, outcome: engine.Outcome, url: str) -> Report:
    cause = outcome.interrupted or outcome.cause
    after = _ask(context, url, failed=cause is not None)
    data = {**_data(context, after), "steps": outcome.steps, "failed_step": outcome.failed_step}
    if cause is None:
        if not after.changed:
            data["sentence"] = _nothing(context)
        return Report(context.goal, 0, data)
    if not isinstance(cause, NselfError | KeyboardInterrupt):
        cause = unexpected(cause)
    if isinstance(cause, NselfError) and cause.database == "unknown":
        after = _After("unknown", after.changed)
    data.update(database=after.state, state=_sentence(context, after, cause, outcome.failed_step))
    if isinstance(cause, NselfError):
        error = error_object(cause) | {"database": after.state}
        if not error["hint"]:
            error["hint"] = _next_step(context)
        return Report(context.goal, cause.exit_code, data, error=error)
    error = {
        "code": "interrupted",
        "message": f"stopped by {getattr(cause, 'name', 'Ctrl-C')}",
        "hint": f"run `nself migrate {context.goal}` again: it starts at what is left",
        "detail": None,
        "problems": [],
        "facts": {"step": outcome.failed_step},
        "database": after.state,
    }
    return Report(context.goal, getattr(cause, "exit_code", 130), data, error=error)


def _next_step(context: Context) -> str:
    return f"mend it, then run `nself migrate {context.goal}` again: it starts at what is left"


def _data(context: Context, after: _After) -> dict[str, Any]:
    changed = list(after.changed)
    return {
        **described(context),
        "dry_run": False,
        "run_id": context.run_id,
        "database": after.state,
        "backup": context.claim.backup if context.claim else None,
        "applied": changed if context.goal == "run" else [],
        "reverted": changed if context.goal == "rollback" else [],
        "summary": {
            "applied": len(changed) if context.goal == "run" else 0,
            "reverted": len(changed) if context.goal == "rollback" else 0,
            "pending": len(context.pending),
        },
    }


def _ask(context: Context, url: str, *, failed: bool) -> _After:
    """Read from the database what this run left there: the summary is not made from intentions."""
    from nself_tasks.database import aftermath

    found = aftermath.ask(url, context.run_id)
    if found is None:
        return _After("unknown")
    rows, history = found
    context.set_history(history)
    wanted = "applied" if context.goal == "run" else "rolled_back"
    changed = tuple(version for version, state in rows if state == wanted)
    if failed and any(row.state == "partial" for row in context.history.rows):
        return _After("partial", changed)
    return _After("advanced" if changed else "unchanged", changed)


def _sentence(context: Context, after: _After, cause: BaseException, step: str | None) -> str:
    """Say the state of the database in words."""
    verb = "applied" if context.goal == "run" else "rolled back"
    stay = ""
    if after.changed:
        many = len(after.changed) != 1
        stay = (
            f" {len(after.changed)} migration{'s' if many else ''} {verb} in this run"
            f" stay{'' if many else 's'} {verb}: {', '.join(after.changed)}."
        )
    facts = cause.facts if isinstance(cause, NselfError) else {}
    version = facts.get("version")
    if isinstance(cause, KeyboardInterrupt) and (step or "").count(":") == 2:
        stage, at = (step or "").split(":")[1:]
        version = at if stage in ("apply", "revert") else None
    if after.state == "unknown":
        return "Nobody could be asked what state the database is in." + stay
    if after.state == "partial":
        partial = [r for r in context.history.rows if r.state == "partial"]
        came = "applied" if partial[0].direction == "up" else "rolled back"
        return (
            f"{', '.join(r.version for r in partial)} is partly {came}:"
            " its statements up to the failed one stay." + stay
        )
    if version and isinstance(cause, MigrationFailed) and _done_by_another(context, after, version):
        return f"{version} was {verb} by another run." + stay
    whole_run = context.options.atomic or not version
    before = " before this run" if whole_run else f" before {version}"
    if stay and not version:
        return stay.lstrip()
    return f"The database is as it was{before}." + stay


def _done_by_another(context: Context, after: _After, version: str) -> bool:
    """Whether the database shows done what this run has failed to do."""
    done = context.is_applied(version) == (context.goal == "run")
    return done and version not in after.changed


def _nothing(context: Context) -> str:
    if context.goal == "rollback":
        return "nothing to roll back"
    applied = sum(1 for row in context.history.rows if row.state == "applied")
    bound = " at or below the bound" if context.options.to is not None else ""
    return f"nothing to do: no migration is pending{bound}, {applied} applied"
