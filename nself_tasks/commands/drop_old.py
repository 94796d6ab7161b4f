"""`backups restore ID --drop-old`: drops the database that an earlier restore has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_tasks.commands.confirmation import confirm
from nself_tasks.commands.ending import failure
from nself_tasks.database import connection as connecting
from nself_tasks.database import fresh_database, history, restore_needs
from nself_tasks.database.target import open_target
from nself_tasks.file_lock import file_lock
from nself_tasks.model import Environment, Report, StepStatus
from nself_tasks.pipeline import engine
from nself_tasks.pipeline.drop_kept import KeptDatabases, steps
from nself_tasks.pipeline.reporter import EventReporter
from nself_tasks.reporting.document import step_object
from nself_tasks.storage import ensure_private, state_dir

if TYPE_CHECKING:
    import argparse

    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


def drop_old(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> Report:
    """Drop what restores of one backup have kept. Raises NselfError where nothing is."""
    project = settings.project
    with open_target(settings.target, project.root) as url:
        of, environment = _target(settings, url)
        server = fresh_database.beside(url, of)
        kept = KeptDatabases(
            server,
            of,
            settings.project_name or "",
            options.id,
            options.disconnect,
            options.lock_wait,
            terminal.notice,
        )
        try:
            restore_needs.require_primary(server)
            kept.check()
            if options.dry_run:
                return _plan(settings, kept)
            if environment.strictness:
                confirm(
                    f"what `{of}` was before the restore is dropped for good",
                    of,
                    yes=options.yes,
                    where=f"in {environment.name} ({environment.source})",
                )
            with file_lock(project, options.lock_wait, notice=terminal.notice):
                reporter = EventReporter(terminal.event)
                journal = ensure_private(state_dir(project)) / "journal-restore.jsonl"
                outcome = engine.execute(steps(kept), reporter, str(journal))
            return _report(settings, kept, outcome)
        finally:
            server.close()


def _target(settings: Settings, url: str) -> tuple[str, Environment]:
    """Give the target's name, and the stricter of its label and the chosen environment."""
    connection = connecting.connect(url, application=fresh_database.APPLICATION, read_only=True)
    try:
        name, meta = connecting.facts(connection).database, history.read(connection).meta
    finally:
        connection.close()
    chosen = settings.environment
    labelled = Environment(meta.environment, "the database's label") if meta else chosen
    return name, max(chosen, labelled, key=lambda environment: environment.strictness)


def _plan(settings: Settings, kept: KeptDatabases) -> Report:
    found = engine.plan(steps(kept))
    counts = {s.value: sum(step.status is s for step in found) for s in StepStatus}
    data = {
        "goal": "drop-old",
        "target": settings.target.shown,
        "target_source": settings.target.source,
        "environment": settings.environment.name,
        "environment_source": settings.environment.source,
        "dry_run": True,
        "offline": False,
        "files": [],
        "losses": [],
        "database": "unchanged",
        "steps": [step_object(step) for step in found],
        "summary": {**counts, "pending": 0, "to_revert": 0, "applied": 0},
    }
    return Report("backups", 0, data)


def _report(settings: Settings, kept: KeptDatabases, outcome: engine.Outcome) -> Report:
    cause = outcome.interrupted or outcome.cause
    data: dict[str, Any] = {
        "goal": "drop-old",
        "backup": kept.backup,
        "target": settings.target.shown,
        "target_source": settings.target.source,
        "environment": settings.environment.name,
        "database": "unchanged",
        "dropped": kept.dropped,
        "steps": outcome.steps,
        "failed_step": outcome.failed_step,
    }
    if cause is None:
        return Report("backups", 0, data)
    data["state"] = f"`{kept.of}` is untouched; dropped: {', '.join(kept.dropped) or 'nothing'}."
    error, code = failure(cause, "run the same command again: it drops what is left")
    return Report("backups", code, data, error=error)
