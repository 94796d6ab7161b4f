"""The project's files in a backup: copied as they are, and put back as they were.

`manifest.json` has the fields `timestamp`, `project_dir`, `files[].source/dest` as the Go CLI
writes them, and ours: sha256, mode, symlink target, and the files that the upgrade creates.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from nself_tasks import records
from nself_tasks.backup_folder import free_backup_id, sweep_unfinished
from nself_tasks.backup_order import next_sequence, order
from nself_tasks.discovery import Project
from nself_tasks.errors import BackupFailed, NselfError, Problem
from nself_tasks.installation import digest, mode_of
from nself_tasks.intent import Entry
from nself_tasks.storage import (
    backup_dir,
    ensure_private,
    make_private,
    replace_synced,
    sync_folder,
    why,
)

MANIFEST = "manifest.json"


def take(
    project: Project, paths: Iterable[str], *, about: Mapping[str, Any], after: Mapping[str, Any]
) -> str:
    """Copy files into a new backup, whole or not at all; gives its id. Raises BackupFailed.

    `about` says why; `after` maps each path to the sha256 that the upgrade gives it, so that a
    rollback can tell a file that somebody changed since.
    """
    folder = ensure_private(backup_dir(project))
    sweep_unfinished(folder)
    backup_id = free_backup_id(folder, datetime.now())
    partial = folder / f".unfinished-{backup_id}-{os.getpid()}"
    try:
        make_private(partial)
        entries = [_copy(project, path, partial) for path in sorted(set(paths))]
        manifest = _manifest(project, backup_id, entries) | {"after": dict(after), **about}
        replace_synced(partial / MANIFEST, json.dumps(manifest, indent=2).encode(), 0o600)
        partial.rename(folder / backup_id)
        sync_folder(folder)
    except OSError as error:
        what, hint = why(error, partial)
        raise _failed(f"{error.filename or partial}: {what}", hint) from error
    except BackupFailed:
        raise
    except NselfError as error:
        raise _failed(error.message, error.hint or "") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return backup_id


def _manifest(project: Project, backup_id: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    created = [entry["source"] for entry in entries if entry["sha256"] is None]
    return {
        "timestamp": backup_id,
        "sequence": next_sequence(backup_dir(project)),
        "project_dir": str(project.root),
        "files": [entry for entry in entries if entry["sha256"] is not None],
        "created": created,
        "created_folders": _missing_folders(project, created),
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _failed(what: str, hint: str) -> BackupFailed:
    return BackupFailed(
        f"the files could not be backed up: {what}",
        hint=f"{hint}; nothing was changed",
        database="unchanged",
    )


def _missing_folders(project: Project, paths: Iterable[str]) -> list[str]:
    """Give the folders that are not there yet and that these files will lie in."""
    parents = {parent for path in paths for parent in PurePosixPath(path).parents}
    return sorted(str(parent) for parent in parents if not (project.root / parent).is_dir())


def _copy(project: Project, path: str, partial: Path) -> dict[str, Any]:
    source = project.root / path
    entry: dict[str, Any] = {"source": path, "dest": path, "sha256": digest(source)}
    if entry["sha256"] is None:
        return entry
    if source.is_symlink():
        entry["symlink"] = str(source.readlink())
    entry["mode"] = mode_of(source)
    copy = partial / path
    data = source.read_bytes()
    replace_synced(copy, data, 0o600)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise BackupFailed(
            f"`{path}` changed while it was backed up",
            hint="run again when nobody is writing to the project; nothing was changed",
            database="unchanged",
        )
    return entry


def holds(project: Project, backup_id: str, entries: Iterable[Entry]) -> bool:
    """Tell whether a backup has every one of these files as it was scanned."""
    try:
        manifest = read_manifest(project, backup_id)
    except NselfError:
        return False
    copies = {entry["source"]: entry["sha256"] for entry in manifest.get("files", ())}
    created = set(manifest.get("created", ()))
    return all(
        entry.path in created if entry.before is None else copies.get(entry.path) == entry.before
        for entry in entries
    )


def read_manifest(project: Project, backup_id: str) -> dict[str, Any]:
    """Give a backup's manifest. Raises NselfError where there is none or it cannot be read."""
    folder = backup_dir(project) / backup_id
    if not backup_id or backup_id.startswith(".") or "/" in backup_id or not folder.is_dir():
        raise NselfError(
            f"there is no backup `{backup_id}`", hint="`nself migrate rollback --list` lists them"
        )
    try:
        manifest = records.read_json(folder / MANIFEST)
        records.require_manifest(manifest, backup_id)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        why = "it is no JSON" if isinstance(error, json.JSONDecodeError) else why
        raise NselfError(
            f"the backup `{backup_id}` has no `{MANIFEST}` that can be read: {why}",
            hint="`nself migrate rollback --list` lists the others; nothing was changed",
            database="unchanged",
        ) from None
    return manifest


def listed(project: Project) -> list[dict[str, Any]]:
    """Give the manifests of all backups, the last made first; unreadable: only an id."""
    folder = backup_dir(project)
    found = []
    for name in (p.name for p in folder.glob("[!.]*") if p.is_dir()):
        try:
            found.append(read_manifest(project, name))
        except NselfError:
            found.append({"timestamp": name, "files": [], "unreadable": True})
    return sorted(found, key=lambda one: order(one, one["timestamp"]), reverse=True)


def of_last_upgrade(project: Project) -> str | None:
    """Give the newest backup of an upgrade that changed files."""
    for found in listed(project):
        upgraded = "`nself migrate run`" in found.get("reason", "")
        if upgraded and (found["files"] or found.get("created")):
            return str(found["timestamp"])
    return None


def changed_since(project: Project, manifest: Mapping[str, Any]) -> list[Problem]:
    """Give the files that are neither as backed up nor as the upgrade left them."""
    known = {entry["source"]: entry["sha256"] for entry in manifest["files"]}
    known |= dict.fromkeys(manifest.get("created", ()))
    after = manifest.get("after", {})
    return [
        Problem("was changed since the upgrade", path)
        for path, before in known.items()
        if digest(project.root / path) not in (before, after.get(path, before))
    ]
