"""`backups list`, `show` and `verify`: what there is to go back to, and whether it is whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nself_tasks import backup_catalog
from nself_tasks.backup_catalog import StoredBackup
from nself_tasks.errors import BackupFailed, NselfError, Problem, UsageError
from nself_tasks.model import Report
from nself_tasks.reporting.document import error_object

if TYPE_CHECKING:
    import argparse

    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings

ACTIONS = ("list", "show", "verify", "restore")


def backups(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> Report:
    """Run one of the four. Raises UsageError for what means nothing together."""
    _check(options)
    if options.action == "list":
        return list_backups(settings)
    if options.action == "show":
        return show(settings, options.id)
    if options.action == "verify":
        return verify(settings, options.id)
    from nself_tasks.commands.restore import restore

    return restore(settings, options, terminal)


def _check(options: argparse.Namespace) -> None:
    action, backup_id = options.action, options.id
    if action == "list" and backup_id is not None:
        raise UsageError("`backups list` takes no id", hint=f"`backups show {backup_id}` does")
    if action in ("show", "restore") and backup_id is None:
        raise UsageError(
            f"`backups {action}` needs the id of a backup",
            hint="`nself migrate backups` lists them",
        )
    if action != "restore":
        given = [flag for flag in _OF_RESTORE if getattr(options, flag)]
        if given:
            flag = given[0].replace("_", "-")
            raise UsageError(f"`--{flag}` goes with `backups restore ID`")
        return
    of_database = [f for f in ("into", "replace", "disconnect") if getattr(options, f)]
    if options.into is not None and options.replace is not None:
        raise UsageError("`--into` replaces nothing, `--replace` does", hint="give one of them")
    if options.files and not options.database and of_database:
        raise UsageError(f"`--{of_database[0]}` is about the database, `--files` is not")
    if options.drop_old and (options.files or options.into or options.replace):
        raise UsageError(
            "`--drop-old` restores nothing: it drops what an earlier restore has kept",
            hint="give it alone, after the restore",
        )


_OF_RESTORE = (
    *("files", "database", "into", "replace", "disconnect", "drop_old", "dry_run", "yes"),
    "force_files",
)


def list_backups(settings: Settings) -> Report:
    """Give every backup of the project, the newest first."""
    found = [_summary(one) for one in backup_catalog.stored(settings.project)]
    return Report("backups", 0, {"goal": "list", "backups": found})


def show(settings: Settings, backup_id: str) -> Report:
    """Give all that is known of one backup. Raises NselfError where there is none of that id."""
    backup = backup_catalog.find(settings.project, backup_id)
    manifest, dump = backup.manifest or {}, dict(backup.database or {})
    lost = dump.pop("not_in_the_dump", None) or {}
    data = {
        "goal": "show",
        "backup": _summary(backup),
        "path": backup.shown,
        "project_dir": manifest.get("project_dir"),
        "run_id": manifest.get("run_id") or dump.get("run_id"),
        "era": manifest.get("era"),
        "files": [_file(backup, entry) for entry in manifest.get("files", ())],
        "created": list(manifest.get("created", ())),
        "dump": _dump(dump) if dump else None,
        "not_in_the_dump": {
            "roles": list(lost.get("roles", ())),
            "replication_slots": list(lost.get("replication_slots", ())),
        },
    }
    return Report("backups", 0, data)


def _file(backup: StoredBackup, entry: Any) -> dict[str, Any]:
    copy = backup.path / entry["dest"]
    size = copy.stat().st_size if copy.is_file() else None
    return {"path": entry["source"], "size": size}


def _dump(database: dict[str, Any]) -> dict[str, Any]:
    names = ("dump", "size", "sha256", "taken_at", "server_version", "database", "identity")
    return {name: database.get(name) for name in (*names, "tool", "entries")}


def _summary(backup: StoredBackup) -> dict[str, Any]:
    manifest, database = backup.manifest or {}, backup.database or {}
    taken, version = backup.taken_at, database.get("server_version")
    age = (datetime.now(UTC) - taken).total_seconds() if taken else None
    return {
        "id": backup.id,
        "state": backup.state,
        "taken_at": taken,
        "age_seconds": max(0, int(age)) if age is not None else None,
        "size": backup_catalog.size(backup),
        "reason": manifest.get("reason") or database.get("reason", ""),
        "environment": database.get("environment"),
        "files": len(manifest.get("files", ())),
        "created": len(manifest.get("created", ())),
        "database": database.get("database") if database else None,
        "server_major": int(version) // 10_000 if version else None,
        "problems": [problem_object(problem) for problem in backup.problems],
    }


def problem_object(problem: Problem) -> dict[str, Any]:
    """Give the JSON object of a problem."""
    return {"message": problem.message, "path": problem.path, "line": problem.line}


def verify(settings: Settings, backup_id: str | None) -> Report:
    """Read every copy of one backup or of all; exit 1 when something is wrong, each by its name.

    Raises NselfError where there is no backup of that id.
    """
    project = settings.project
    chosen = [backup_catalog.find(project, backup_id)] if backup_id else None
    results: list[dict[str, Any]] = []
    wrong: list[Problem] = []
    for backup in chosen if chosen is not None else backup_catalog.stored(project):
        problems, entries = _verified(backup, settings)
        wrong += problems
        results.append(
            {
                "id": backup.id,
                "sound": not problems,
                "files": len((backup.manifest or {}).get("files", ())),
                "size": backup_catalog.size(backup),
                "entries": entries,
                "problems": [problem_object(problem) for problem in problems],
            }
        )
    data = {"goal": "verify", "verified": results}
    if not wrong:
        return Report("backups", 0, data)
    bad = [found["id"] for found in results if not found["sound"]]
    error = BackupFailed(
        f"{len(bad)} of {len(results)} backups {'is' if len(bad) == 1 else 'are'} not whole:"
        f" {', '.join(bad)}",
        problems=wrong,
        hint="do not count on them; take a new one with the next run, and look at the disk",
        database="unchanged",
    )
    return Report("backups", 1, data, error=error_object(error))


def _verified(backup: StoredBackup, settings: Settings) -> tuple[list[Problem], int | None]:
    """Give what is wrong with a backup, and how many entries its dump has."""
    found = list(backup_catalog.verified(backup))
    if found or backup.database is None:
        return found, None
    from nself_tasks.database import dump_contents
    from nself_tasks.pipeline.dump_choice import find_stack
    from nself_tasks.pipeline.restore_guards import reading_tools

    name = f"{backup.shown}/{backup.database['dump']}"
    try:
        major = int(backup.database["server_version"]) // 10_000
        tools = reading_tools(major, lambda: find_stack(settings))
        contents = dump_contents.read(tools, backup.path / backup.database["dump"])
    except NselfError as error:
        said = f"{error.message}: {error.detail}" if error.detail else error.message
        return [Problem(said, name)], None
    wanted = backup.database.get("entries")
    if wanted is not None and wanted != contents.entries:
        said = f"has {contents.entries:,} entries, the manifest says {wanted:,}"
        return [Problem(said, name)], contents.entries
    return [], contents.entries
