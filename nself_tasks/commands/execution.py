"""`run` and `rollback`: open the target, run the graph, and say what the database says after it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from nself_tasks.commands.detect import left_to_decide
from nself_tasks.commands.maintenance_note import say_unless_in_maintenance
from nself_tasks.commands.questions import ask_about_the_backup
from nself_tasks.commands.sentences import After, nothing_to_do, sentence, with_ways_out
from nself_tasks.commands.upgrade_note import say_other_values
from nself_tasks.errors import ConnectionFailed, GuardError, NselfError, unexpected
from nself_tasks.model import Report
from nself_tasks.pipeline import engine, graph, guards
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.files_lock import release
from nself_tasks.pipeline.install import installed
from nself_tasks.pipeline.opening import described, refresh, say_bound, session_for
from nself_tasks.pipeline.options import Options
from nself_tasks.pipeline.reporter import EventReporter
from nself_tasks.reporting.document import error_object
from nself_tasks.reporting.progress_line import ProgressLine
from nself_tasks.reporting.question import confirm

if TYPE_CHECKING:
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


def execute(
    settings: Settings, options: Options, *, goal: Literal["run", "rollback"], terminal: Terminal
) -> Report:
    """Run the graph of a goal. The report's exit code is 0 or 1; a signal is raised again.

    Raises NselfError for what was refused before the database was asked.
    """
    context = Context(settings, options, goal=goal, notice=terminal.notice)
    context.before.confirm = partial(confirm, terminal)
    context.around.progress = (line := ProgressLine(terminal)).show
    try:
        guards.check_flags(context)
        if context.uses_database:
            return _with_database(context, terminal)
        if context.upgrade.is_empty:
            return _without_work(context)
        outcome = _run(context, terminal)
        return _report(context, outcome, None)
    finally:
        line.end()
        release(context)


def _with_database(context: Context, terminal: Terminal) -> Report:
    from nself_tasks.database.watch import Watch

    try:
        with session_for(context) as url:
            say_bound(context)
            ask_about_the_backup(context)
            with Watch(context.require_session()):
                outcome = _run(context, terminal)
            # Closed before the summary is read: whatever we left open must not be seen as done.
            context.require_session().close()
            return _report(context, outcome, url)
    except ConnectionFailed as error:
        raise with_ways_out(context, error) from None


def _without_work(context: Context) -> Report:
    sentence = "nothing to upgrade: the files are v2 or not ours"
    if left := left_to_decide(context.settings):
        sentence = f"nothing to upgrade, {left} left for you to decide: see `nself migrate detect`"
    if not context.options.files_only:
        sentence = "no migrations folder: the database was not asked, nothing to do"
    project = context.settings.project
    if project.scope == "plugins" and not context.upgrade.findings:
        sentence = f"nothing to do: `{project.root}` holds no plugin manifests"
    return Report(context.goal, 0, {**_data(context, After("unchanged")), "sentence": sentence})


def _run(context: Context, terminal: Terminal) -> engine.Outcome:
    """Run the graph; when it is stale after the lock, build it again under the same lock."""
    say_other_values(context)
    say_unless_in_maintenance(context)
    while True:
        shown = _to_revert(context)
        reporter = EventReporter(terminal.event)
        outcome = engine.execute(
            graph.steps(context), reporter, context.journal(), goal=graph.goal(context)
        )
        if not context.stale:
            return outcome
        context.stale = False
        terminal.notice("note", "history or files changed while waiting: the plan was made again")
        if context.session is not None:
            refresh(context)
            _require_shown(context, shown)


def _to_revert(context: Context) -> frozenset[str]:
    is_rollback = context.goal == "rollback" and context.uses_database
    return frozenset(row.version for row in context.rows_to_revert) if is_rollback else frozenset()


def _require_shown(context: Context, shown: frozenset[str]) -> None:
    """Raise GuardError where a rollback that waited would now undo what nobody was shown."""
    if others := sorted(_to_revert(context) - shown):
        raise GuardError(
            f"the history changed while this rollback waited: it would now undo {', '.join(others)}"
            f" instead of {', '.join(sorted(shown)) or 'nothing'}",
            hint="look at `nself migrate status`, then run the rollback again if it is still meant",
            database="unchanged",
        )


def _report(context: Context, outcome: engine.Outcome, url: str | None) -> Report:
    cause = outcome.interrupted or outcome.cause
    after = _ask(context, url, cause) if url else After("unchanged")
    data = {**_data(context, after), "steps": outcome.steps, "failed_step": outcome.failed_step}
    if cause is None:
        if not after.changed and not data["files"]:
            data["sentence"] = nothing_to_do(context)
        return Report(context.goal, 0, data)
    if not isinstance(cause, NselfError | KeyboardInterrupt):
        cause = unexpected(cause)
    if isinstance(cause, NselfError) and cause.database == "unknown":
        after = After("unknown", after.changed)
    data.update(database=after.state, state=sentence(context, after, cause, outcome.failed_step))
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


def _data(context: Context, after: After) -> dict[str, Any]:
    changed = list(after.changed)
    return {
        **described(context),
        "dry_run": False,
        "run_id": context.run_id,
        "database": after.state,
        "backup": context.claim.backup if context.claim else None,
        "files_backup": context.files_backup,
        "files": installed(context),
        "hasura": context.around.hasura,
        "left": left_to_decide(context.settings),
        "applied": changed if context.goal == "run" else [],
        "reverted": changed if context.goal == "rollback" else [],
        "summary": {
            "applied": len(changed) if context.goal == "run" else 0,
            "reverted": len(changed) if context.goal == "rollback" else 0,
            "pending": len(context.pending),
        },
    }


def _ask(context: Context, url: str, cause: BaseException | None) -> After:
    """Read from the database what this run left there: the summary is not made from intentions."""
    from nself_tasks.database import aftermath, connection

    has_waited = isinstance(cause, NselfError) and cause.database == "unknown"
    lost = context.require_session().ended_broken and not has_waited
    found = aftermath.ask(url, context.run_id, wait=connection.RECONNECT_SECONDS if lost else 0)
    if found is None:
        return After("unknown")
    rows, history = found
    context.set_history(history)
    wanted = "applied" if context.goal == "run" else "rolled_back"
    changed = tuple(version for version, state in rows if state == wanted)
    if cause is not None and any(row.state == "partial" for row in context.history.rows):
        return After("partial", changed)
    return After("advanced" if changed else "unchanged", changed)
