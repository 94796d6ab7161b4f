"""The stages of a file upgrade before anything is installed: scan, stage, backup:files.

scan ─► stage:<path> …      new text in .nself/migrate/staged/
          └─► install:<path> …   atomic replace, after the last migration
                setup: files-lock ◄ backup:files ◄ intent
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from nself_tasks import file_backup, installation
from nself_tasks import intent as intents
from nself_tasks.errors import GuardError, Problem
from nself_tasks.installable import require_installable
from nself_tasks.intent import Entry
from nself_tasks.pipeline import claim as claims
from nself_tasks.pipeline.files_lock import FILES_LOCK
from nself_tasks.pipeline.steps import Call, Condition, StepDict, step_name
from nself_tasks.storage import replace_synced

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

SCAN = "migrate:scan"


def scan(context: Context) -> Iterator[StepDict]:
    """Look at the project's files; what it finds decides the steps that follow."""

    def looked() -> bool:
        check(context)
        return False

    count = len(context.upgrade.entries)
    yield {
        "basename": SCAN,
        "doc": f"look for v1 artifacts: {count} file{'s' if count != 1 else ''} to upgrade",
        "actions": [Call(lambda: None)],
        "uptodate": [Condition(looked, "always looks, changes nothing")],
        "meta": {"stage": "scan", "check": True},
    }


def check(context: Context) -> None:
    """Raise GuardError where files are not what the plan saw, or cannot become what it says."""
    project, plan = context.settings.project, context.upgrade
    installation.require_unchanged(project, plan.entries)
    if plan.unfinished is not None:
        # Before the first file: a run that cannot finish must not begin.
        installation.require_staged(project, plan.entries)
    require_sound(plan.faults)
    require_installable(project, plan.entries)


def require_sound(faults: Sequence[Problem]) -> None:
    """Raise GuardError where what would be written is not what v2 takes."""
    if faults:
        raise GuardError(
            "the upgrade of this project would not be sound, so nothing of it is installed",
            problems=faults,
            hint="this is a fault of `nself migrate`: report it with the file that it names;"
            " `--schema-only` applies the migrations without the upgrade",
            database="unchanged",
        )


def stage(context: Context) -> Iterator[StepDict]:
    """Write the new text of each file beside the project, where nothing reads it yet."""
    project = context.settings.project
    for entry in context.upgrade.entries:
        if entry.after is None or context.upgrade.unfinished is not None:
            continue
        staged = intents.staged_path(project, entry.path)
        yield {
            "basename": "migrate:stage",
            "name": step_name(entry.path),
            "doc": "write its new text to .nself/migrate/staged",
            "actions": [Call(_stage, context, entry)],
            "task_dep": [SCAN],
            "setup": [FILES_LOCK],
            "file_dep": _now(context, entry),
            "targets": [str(staged)],
            "uptodate": [
                Condition(partial(_is_staged, context, entry), "the staged text is not the new one")
            ],
            "meta": {"stage": "stage", "inputs": [entry.path]},
        }


def _now(context: Context, entry: Entry) -> list[str]:
    path = installation.real_path(context.settings.project, entry.path)
    return [str(path)] if entry.before is not None and path.is_file() else []


def _is_staged(context: Context, entry: Entry) -> bool:
    staged = intents.staged_path(context.settings.project, entry.path)
    return installation.digest(staged) == entry.after


def _stage(context: Context, entry: Entry) -> dict[str, Any]:
    project = context.settings.project
    data = context.upgrade.texts[entry.path]
    assert data is not None, "a file that is moved away has no staged text"
    replace_synced(intents.staged_path(project, entry.path), data, 0o600)
    return {"bytes": len(data)}


def backup_files(context: Context) -> Iterator[StepDict]:
    """Copy every file that the upgrade touches, before the first one is touched."""
    if context.upgrade.is_empty:
        return
    yield {
        "basename": "migrate:backup",
        "name": "files",
        "doc": "copy the files that change to .nself/backup",
        "actions": [Call(_backup, context)],
        "task_dep": [SCAN, FILES_LOCK],
        "uptodate": [
            Condition(lambda: _is_backed_up(context), "the files have no backup of this run yet")
        ],
        "meta": {"stage": "backup"},
    }


def _is_backed_up(context: Context) -> bool:
    """Whether an unfinished run has copied these files as they are now; its backup is kept."""
    if context.upgrade.unfinished is not None or context.files_backup is not None:
        return True
    project, claim = context.settings.project, claims.read(context.settings.project)
    if claim is None or not file_backup.holds(project, claim.backup, context.upgrade.entries):
        return False
    context.files_backup = claim.backup
    return True


def _backup(context: Context) -> dict[str, Any]:
    entries = context.upgrade.entries
    context.files_backup = file_backup.take(
        context.settings.project,
        [entry.path for entry in entries],
        about={
            "run_id": context.run_id,
            "reason": "before `nself migrate run`",
            "era": context.upgrade.era,
        },
        after={entry.path: entry.after for entry in entries},
    )
    return {"backup": context.files_backup}
