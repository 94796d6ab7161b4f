"""What `backups restore` ends with: its plan, or what became of the database in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_tasks.commands.ending import failure
from nself_tasks.errors import NselfError
from nself_tasks.migrations.directory import collect
from nself_tasks.migrations.reconcile import reconcile, to_apply
from nself_tasks.model import Report, StepStatus
from nself_tasks.pipeline import database_restore, engine, restore_guards
from nself_tasks.project import read_migration_files
from nself_tasks.reporting.document import error_object, step_object

if TYPE_CHECKING:
    from nself_tasks.pipeline.database_restoration import DatabaseRestoration
    from nself_tasks.schema_history import History


def planned(restoration: DatabaseRestoration) -> Report:
    """Give the listing of the graph, and the error where a step is blocked."""
    steps = engine.plan(database_restore.steps(restoration))
    blocked = any(step.status is StepStatus.BLOCKED for step in steps)
    error: dict[str, Any] | None = None
    if blocked:
        try:
            restore_guards.check(restoration)
        except NselfError as found:
            error = error_object(found)
    elif restoration.facts is not None:
        _say_sessions(restoration)
    counts = {s.value: sum(step.status is s for step in steps) for s in StepStatus}
    data = {
        "goal": "restore",
        "target": restoration.settings.target.shown,
        "target_source": restoration.settings.target.source,
        "environment": restoration.settings.environment.name,
        "environment_source": restoration.settings.environment.source,
        "dry_run": True,
        "offline": False,
        "files": [],
        "losses": [],
        "database": "unchanged",
        "steps": [step_object(step) for step in steps],
        "summary": {**counts, "pending": 0, "to_revert": 0, "applied": 0},
    }
    return Report("backups", 1 if blocked else 0, data, error=error)


def _say_sessions(restoration: DatabaseRestoration) -> None:
    from nself_tasks.database import sessions

    for session in sessions.in_use(restoration.server, restoration.name):
        restoration.notice("warning", f"connected to `{restoration.name}`: {session}")


def reported(restoration: DatabaseRestoration, outcome: engine.Outcome) -> Report:
    """Give the report of a restore; what became of the database is asked of the server."""
    cause = outcome.interrupted or outcome.cause
    stands: bool | None = True
    if cause is not None:
        stands = restoration.stands() if _could_have_swapped(restoration) else False
        restoration.has_swapped = stands is not False
    state = {True: "restored", False: "unchanged", None: "unknown"}[stands]
    new = restoration.options.into is not None
    data: dict[str, Any] = {
        "goal": "restore",
        "backup": restoration.backup.id,
        "dry_run": False,
        "target": restoration.settings.target.shown,
        "target_source": restoration.settings.target.source,
        "environment": restoration.settings.environment.name,
        "run_id": restoration.run_id,
        "database": "unchanged" if new and state == "restored" else state,
        "restored": restoration.name if stands else None,
        "kept": restoration.kept if stands else None,
        **_pending(restoration, stands=bool(stands) and not new),
        "files": None,
        "steps": outcome.steps,
        "failed_step": outcome.failed_step,
    }
    if cause is None:
        return Report("backups", 0, data)
    data["state"] = _sentence(restoration, stands)
    error, code = failure(cause, "run the same command again: it begins anew")
    error["database"] = {True: "advanced", False: "unchanged", None: "unknown"}[stands]
    return Report("backups", code, data, error=error)


def _could_have_swapped(restoration: DatabaseRestoration) -> bool:
    return restoration.is_described and restoration.identity is not None


def _sentence(restoration: DatabaseRestoration, stands: bool | None) -> str:
    if restoration.options.into is not None:
        name = restoration.options.into
        said = {True: "is there, whole", False: "was not made", None: "may be there, whole"}
        return f"The database `{name}` {said[stands]}; no other database was touched."
    name = restoration.name
    if stands:
        return f"`{name}` is the restored database; the old one is kept as `{restoration.kept}`."
    if stands is False and restoration.fresh is None:
        return f"`{name}` is in its place as it was before; nothing had been made yet."
    if stands is False:
        gone = "is dropped" if restoration.discard() else "is dropped by the next restore"
        return f"`{name}` is in its place as it was before; what was half restored {gone}."
    return (
        f"Nobody answers: either `{name}` is as it was, or it is the restored database, whole, and"
        f" the old one is `{restoration.kept}`. Run the same command again: it begins anew."
    )


def _pending(restoration: DatabaseRestoration, *, stands: bool) -> dict[str, list[str]]:
    """Give what is pending in the restored database, and what of it was applied before."""
    nothing: dict[str, list[str]] = {"pending": [], "pending_again": []}
    if not stands:
        return nothing
    try:
        migrations = collect(read_migration_files(restoration.settings.project))
        after = restoration.history_now()
    except NselfError as error:
        # The restore is done: what cannot be asked any more does not make it look undone.
        restoration.notice("warning", f"what is pending now is not known: {error.message}")
        return nothing
    pending = [m.version for m in to_apply(reconcile(migrations, after), to=None)]
    had, has = _applied(restoration.before), _applied(after)
    again = sorted(had - has, key=int)
    return {"pending": pending, "pending_again": again}


def _applied(history: History) -> set[str]:
    return {row.version for row in history.rows if row.state == "applied"}
