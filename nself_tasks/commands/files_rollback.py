"""`rollback --files` and `rollback --list`: the project's files as they were before an upgrade."""

from __future__ import annotations

import uuid
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from nself_tasks import file_backup
from nself_tasks import intent as intents
from nself_tasks.commands.ending import failure
from nself_tasks.errors import GuardError, NselfError
from nself_tasks.file_lock import file_lock
from nself_tasks.model import Report, StepStatus
from nself_tasks.pipeline import engine, restore
from nself_tasks.pipeline.reporter import EventReporter
from nself_tasks.pipeline.restoration import Restoration
from nself_tasks.plugins import again
from nself_tasks.reporting.document import error_object, step_object
from nself_tasks.storage import ensure_private, state_dir

if TYPE_CHECKING:
    from nself_tasks.discovery import Project
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


def list_backups(settings: Settings) -> Report:
    """Give every backup of the project, the newest first."""
    backups = [
        {
            "id": found["timestamp"],
            "reason": found.get("reason") or (found.get("database") or {}).get("reason", ""),
            "files": len(found.get("files", ())),
            "database": bool(found.get("database")),
        }
        for found in file_backup.listed(settings.project)
    ]
    return Report("rollback", 0, {"goal": "list", "backups": backups})


def roll_back_files(
    settings: Settings,
    *,
    backup: str | None,
    force: bool,
    dry_run: bool,
    terminal: Terminal,
    locked: bool = False,
    lock_wait: float = 30.0,
) -> Report:
    """Put the files back from a backup, by default the one of the last upgrade.

    `locked` says that this command holds the lock on the files already. Raises NselfError where
    there is no such backup, LockNotAcquired.
    """
    project = settings.project
    restoration = restoration_of(settings, backup=backup, force=force)
    restoration.notice = terminal.notice
    if dry_run:
        return _plan(settings, restoration)
    with nullcontext() if locked else file_lock(project, lock_wait, notice=terminal.notice):
        reporter = EventReporter(terminal.event)
        journal = ensure_private(state_dir(project)) / "journal-files.jsonl"
        outcome = engine.execute(restore.steps(restoration), reporter, str(journal))
    return _report(restoration, outcome)


def restoration_of(settings: Settings, *, backup: str | None, force: bool) -> Restoration:
    """Give what is to be put back. Raises NselfError where no such backup holds files."""
    project = settings.project
    manifest = file_backup.read_manifest(project, _chosen(project, backup))
    if not manifest["files"] and not manifest.get("created"):
        raise NselfError(
            f"the backup `{manifest['timestamp']}` holds no files of the project",
            hint="`nself migrate rollback --list` says which ones do; nothing was changed",
            database="unchanged",
        )
    if any("sha256" not in entry for entry in manifest["files"]):
        raise NselfError(
            f"the backup `{manifest['timestamp']}` has no checksums: another program made it",
            hint="copy back by hand what you need of it; nothing was changed",
            database="unchanged",
        )
    return Restoration(project, manifest, str(uuid.uuid4()), force)


def _chosen(project: Project, asked: str | None) -> str:
    """Give the backup to put back. Raises GuardError for another one than that of an upgrade that
    is unfinished: what that one has begun to install would stay."""
    # One that cannot be read was written after its backup: that is the newest one.
    intent = intents.readable_intent(project)
    if intent is None:
        return _last_upgrade(project) if asked is None else asked
    if asked not in (None, intent.backup):
        raise GuardError(
            f"an upgrade is unfinished, and its backup is `{intent.backup}`, not `{asked}`",
            hint=f"`nself migrate rollback --files{again(project)}` puts that one back; after it,"
            " `--backup` gives the choice again",
            database="unchanged",
        )
    return intent.backup


def _last_upgrade(project: Project) -> str:
    if (newest := file_backup.of_last_upgrade(project)) is not None:
        return newest
    raise NselfError(
        "no upgrade of this project's files has a backup",
        hint="nothing was changed; `nself migrate rollback --list` lists the backups; without"
        " `--files` the last migration is rolled back",
        database="unchanged",
    )


def _plan(settings: Settings, restoration: Restoration) -> Report:
    steps = engine.plan(restore.steps(restoration))
    blocked = any(step.status is StepStatus.BLOCKED for step in steps)
    error: dict[str, Any] | None = None
    if blocked:
        try:
            restoration.check()
        except NselfError as found:
            error = error_object(found)
    counts = {s.value: sum(step.status is s for step in steps) for s in StepStatus}
    data = {
        "goal": "rollback-files",
        "target": "none",
        "target_source": "not asked",
        "environment": settings.environment.name,
        "environment_source": settings.environment.source,
        "dry_run": True,
        "offline": True,
        "files": restoration.differences(),
        "losses": [],
        "database": "unchanged",
        "steps": [step_object(step) for step in steps],
        "summary": {**counts, "pending": 0, "to_revert": 0, "applied": 0},
    }
    return Report("rollback", 1 if blocked else 0, data, error=error)


def _report(restoration: Restoration, outcome: engine.Outcome) -> Report:
    cause = outcome.interrupted or outcome.cause
    restored = [e["source"] for e in restoration.files if restoration.is_restored(e)]
    data: dict[str, Any] = {
        "goal": "rollback-files",
        "backup": restoration.manifest["timestamp"],
        "backup_of_today": restoration.today,
        "restored": restored,
        "database": "unchanged",
        "steps": outcome.steps,
        "failed_step": outcome.failed_step,
    }
    if cause is None:
        return Report("rollback", 0, data)
    data["state"] = _state(restoration)
    error, code = failure(cause, "run the same command again: it finishes what is left")
    return Report("rollback", code, data, error=error)


def _state(restoration: Restoration) -> str:
    """Say where the files stand when a rollback has not come to its end."""
    total = len(restoration.files) + len(restoration.created)
    left = len(restoration.left)
    said = f"{total - left} of {total} files are as they were, {left} are not"
    if not restoration.is_intended:
        return f"{said}; this rollback changed none of them, and no database was asked"
    of = again(restoration.project)
    return (
        f"{said}; no database was asked. `nself migrate rollback --files{of}` finishes it,"
        f" `nself migrate run{of}` upgrades them again"
    )
