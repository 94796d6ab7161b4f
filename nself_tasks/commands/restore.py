"""`backups restore`: the database, the files, or both, as a backup has them; `--drop-old`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks import backup_catalog
from nself_tasks.commands import restore_files
from nself_tasks.commands.confirmation import confirm
from nself_tasks.commands.restore_report import planned, reported
from nself_tasks.database.target import open_for_planning, open_target
from nself_tasks.errors import ConnectionFailed, NselfError
from nself_tasks.file_lock import file_lock
from nself_tasks.model import Report
from nself_tasks.pipeline import database_restore, engine, restore_guards, restore_origin
from nself_tasks.pipeline.database_restoration import DatabaseRestoration, RestoreOptions
from nself_tasks.pipeline.reporter import EventReporter
from nself_tasks.reporting.progress_line import ProgressLine
from nself_tasks.storage import ensure_private, state_dir

if TYPE_CHECKING:
    import argparse

    from nself_tasks.backup_catalog import StoredBackup
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


def restore(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> Report:
    """Restore what was asked for, by default all that the backup holds, the database first.

    Raises NselfError for what is refused before anything was changed.
    """
    if options.drop_old:
        from nself_tasks.commands.drop_old import drop_old

        return drop_old(settings, options, terminal)
    backup = backup_catalog.find(settings.project, options.id)
    restore_guards.require_complete(backup)
    wants_files, wants_database = _wanted(backup, options)
    if not wants_database:
        return restore_files.put_back(settings, options, terminal)
    if options.dry_run:
        return _database(settings, backup, options, terminal, before_files=wants_files)
    # One lock for both: no run may come in between, with the old files on the new database.
    with file_lock(settings.project, options.lock_wait, notice=terminal.notice):
        report = _database(settings, backup, options, terminal, before_files=wants_files)
        if report.exit_code or not wants_files:
            return report
        return restore_files.put_back_after(report, settings, options, terminal)


def _wanted(backup: StoredBackup, options: argparse.Namespace) -> tuple[bool, bool]:
    """Give whether files and database are to be restored."""
    if options.files or options.database or options.into or options.replace:
        return options.files, bool(options.database or options.into or options.replace)
    manifest = backup.manifest or {}
    files = bool(manifest.get("files") or manifest.get("created"))
    return files, backup.database is not None or not files


def _database(
    settings: Settings,
    backup: StoredBackup,
    options: argparse.Namespace,
    terminal: Terminal,
    *,
    before_files: bool,
) -> Report:
    flags = RestoreOptions(
        into=options.into,
        replace=options.replace,
        disconnect=options.disconnect,
        lock_wait=options.lock_wait,
        yes=options.yes,
    )
    restore_guards.require_database(backup)
    if options.dry_run:
        return _plan(settings, backup, flags, terminal, before_files=before_files)
    line = ProgressLine(terminal)
    with open_target(settings.target, settings.project.root) as url:
        restoration = DatabaseRestoration(
            settings, backup, flags, url, notice=terminal.notice, progress=line.show
        )
        if before_files:
            restore_files.check(settings, options)
        try:
            return _run(restoration, terminal)
        except ConnectionFailed as error:
            raise _with_way_out(error, restoration) from None
        finally:
            line.end()
            restoration.close()


def _run(restoration: DatabaseRestoration, terminal: Terminal) -> Report:
    for note in restoration.settings.target.notes:
        terminal.notice("note", note)
    restore_guards.check(restoration)
    if not restore_origin.is_of_this_server(restoration):
        what, does = restore_origin.warning(restoration)
        confirm(what, restoration.backup.id, yes=restoration.options.yes, where=does)
    environment = restore_guards.strictest(restoration)
    if environment.strictness and restoration.facts is not None:
        confirm(
            f"the database `{restoration.name}` is replaced by the backup {restoration.backup.id}",
            restoration.name,
            yes=restoration.options.yes,
            where=f"in {environment.name} ({environment.source})",
        )
    reporter = EventReporter(terminal.event)
    journal = ensure_private(state_dir(restoration.settings.project)) / "journal-restore.jsonl"
    outcome = engine.execute(database_restore.steps(restoration), reporter, str(journal))
    return reported(restoration, outcome)


def _plan(
    settings: Settings,
    backup: StoredBackup,
    flags: RestoreOptions,
    terminal: Terminal,
    *,
    before_files: bool,
) -> Report:
    with open_for_planning(settings.target, settings.project.root) as url:
        if url is None:
            raise NselfError(
                "the embedded database does not exist yet: there is nothing to compare with",
                hint="restore without `--dry-run`, which makes it; nothing was changed",
                database="unchanged",
            )
        restoration = DatabaseRestoration(
            settings, backup, flags, url, read_only=True, notice=terminal.notice
        )
        try:
            report = planned(restoration)
            if not report.exit_code and not restore_origin.is_of_this_server(restoration):
                said = " ".join(restore_origin.warning(restoration))
                terminal.notice("warning", f"{said}; you will be asked, or give `--yes`")
        except ConnectionFailed as error:
            raise _with_way_out(error, restoration) from None
        finally:
            restoration.close()
    if before_files:
        terminal.notice("note", f"the files come after it: `backups restore {backup.id} --files`")
    return report


def _with_way_out(error: ConnectionFailed, restoration: DatabaseRestoration) -> ConnectionFailed:
    if "no such database" in error.message and restoration.options.into is None:
        error.hint = (
            "where it is gone, `--into NAME` with its name makes it from the backup; else correct"
            " the name in the database URL"
        )
    return error
