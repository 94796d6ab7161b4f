"""The files' part of `backups restore`: what `rollback --files --backup ID` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_tasks.commands.ending import failure
from nself_tasks.commands.files_rollback import restoration_of, roll_back_files
from nself_tasks.model import Report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


def check(settings: Settings, options: argparse.Namespace) -> None:
    """Raise what stands in the way of the files before the database is touched."""
    restoration_of(settings, backup=options.id, force=options.force_files).check()


def put_back(
    settings: Settings, options: argparse.Namespace, terminal: Terminal, *, locked: bool = False
) -> Report:
    """Put the files back as the backup has them. Raises what `rollback --files` raises.

    `locked` says that this command holds the lock on the files already.
    """
    report = roll_back_files(
        settings,
        backup=options.id,
        force=options.force_files,
        dry_run=options.dry_run,
        terminal=terminal,
        locked=locked,
        lock_wait=options.lock_wait,
    )
    if options.dry_run:
        return Report("backups", report.exit_code, report.data, error=report.error)
    data: dict[str, Any] = {
        "goal": "restore",
        "backup": options.id,
        "dry_run": False,
        "target": "none",
        "target_source": "not asked",
        "environment": settings.environment.name,
        "run_id": None,
        "database": "unchanged",
        "restored": None,
        "kept": None,
        "pending": [],
        "pending_again": [],
        "files": {key: report.data[key] for key in ("restored", "backup_of_today")},
        "steps": report.data["steps"],
        "failed_step": report.data["failed_step"],
        **({"state": report.data["state"]} if "state" in report.data else {}),
    }
    return Report("backups", report.exit_code, data, error=report.error)


def put_back_after(
    database: Report, settings: Settings, options: argparse.Namespace, terminal: Terminal
) -> Report:
    """Put the files back once the database is restored; gives one report of both.

    Whatever stops the files, the report says that the database was replaced.
    """
    try:
        files = put_back(settings, options, terminal, locked=True)
    except (Exception, KeyboardInterrupt) as error:
        return _stopped(database, error)
    data = {
        **database.data,
        "files": files.data["files"],
        "steps": [*database.data["steps"], *files.data["steps"]],
        "failed_step": files.data["failed_step"],
    }
    if files.error is None:
        return Report("backups", 0, data)
    data["state"] = f"{_replaced(data)} Of the files, {files.data['state']}."
    return Report("backups", files.exit_code, data, error=_with_next_step(files.error, data))


def _stopped(database: Report, cause: BaseException) -> Report:
    """Give the report where the files' part ended before its first step."""
    data = {**database.data, "state": f"{_replaced(database.data)} The files are as they were."}
    error, code = failure(cause, "mend it first")
    return Report("backups", code, data, error=_with_next_step(error, data))


def _replaced(data: Mapping[str, Any]) -> str:
    return (
        f"`{data['restored']}` is the restored database; the old one is kept as `{data['kept']}`."
    )


def _with_next_step(error: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Name the command that does not replace the database once more, and the one that drops."""
    command = f"nself migrate backups restore {data['backup']}"
    forced = "; `--force-files` goes over files that were changed" if error["problems"] else ""
    hint = (
        f"mend what it says, then `{command} --files` puts the files back and leaves the database"
        f" alone{forced}; `{command} --drop-old` drops the old database"
    )
    return {**error, "hint": hint, "database": "advanced"}
