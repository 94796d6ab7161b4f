"""The backups of a project as they lie on disk: what is in each, and what is wrong with it.

A look reads manifests and sizes; `verified` reads every byte. Nothing here is trusted because it
lies in our folder: a manifest may be torn, of another program, or name files outside of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from nself_tasks.backup_manifest import foreign
from nself_tasks.backup_order import order, taken_at
from nself_tasks.discovery import Project
from nself_tasks.errors import NselfError, Problem
from nself_tasks.records import read_json
from nself_tasks.storage import backup_dir, shown_backups

MANIFEST = "manifest.json"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """One folder in `.nself/backup`."""

    id: str
    path: Path
    shown: str
    """The path as a person is told it."""
    manifest: Mapping[str, Any] | None
    """None where it is missing, torn or no manifest of a backup."""
    problems: tuple[Problem, ...] = ()
    """What is wrong as far as a look tells, without reading the copies."""

    @property
    def database(self) -> Mapping[str, Any] | None:
        """What the manifest says of the dump; None for a backup of files alone."""
        return self.manifest.get("database") if self.manifest else None

    @property
    def state(self) -> str:
        """`complete`, `incomplete` (something named is missing or cut), or `unreadable`."""
        if self.manifest is None:
            return "unreadable"
        return "incomplete" if self.problems else "complete"

    @property
    def taken_at(self) -> datetime | None:
        """When it was taken, by its own word; else by its name, which is local time."""
        return taken_at(self.manifest or {}, self.id)


def stored(project: Project) -> list[StoredBackup]:
    """Give all backups of a project, the one that was made last before all others."""
    folders = [path for path in backup_dir(project).glob("[!.]*") if _may_be_one(path)]
    found = [_looked_at(folder, f"{shown_backups(project)}/{folder.name}") for folder in folders]
    return sorted(found, key=lambda one: order(one.manifest or {}, one.id), reverse=True)


def _may_be_one(path: Path) -> bool:
    # A folder that was moved to another disk, which may not be there now.
    return path.is_dir() or path.is_symlink()


def find(project: Project, backup_id: str) -> StoredBackup:
    """Give one backup. Raises NselfError where there is none of that id."""
    folder = backup_dir(project) / backup_id
    if not backup_id or backup_id.startswith(".") or "/" in backup_id or not _may_be_one(folder):
        raise NselfError(
            f"there is no backup `{backup_id}`",
            hint="`nself migrate backups` lists them; nothing was changed",
            database="unchanged",
        )
    return _looked_at(folder, f"{shown_backups(project)}/{backup_id}")


def copies(backup: StoredBackup) -> Iterator[tuple[str, str, int | None]]:
    """Give name in the backup, sha256 and size (where it is known) of all that a manifest names."""
    for entry in (backup.manifest or {}).get("files", ()):
        yield entry["dest"], entry["sha256"], None
    if backup.database:
        yield backup.database["dump"], backup.database["sha256"], backup.database["size"]


def size(backup: StoredBackup) -> int:
    """Give the bytes of all copies that are there."""
    paths = (backup.path / name for name, _, _ in copies(backup))
    return sum(path.stat().st_size for path in paths if path.is_file())


def verified(backup: StoredBackup) -> tuple[Problem, ...]:
    """Read every copy; gives what is wrong, each file by its name."""
    if backup.manifest is None:
        return backup.problems
    found = list(backup.problems)
    known = {problem.path for problem in found}
    for name, sha256, _ in copies(backup):
        if f"{backup.shown}/{name}" in known:
            continue
        try:
            is_same = _digest(backup.path / name) == sha256
        except OSError as error:
            found.append(_problem(backup, name, f"cannot be read: {error.strerror}"))
            continue
        if not is_same:
            found.append(_problem(backup, name, "is not what was backed up (sha256)"))
    return tuple(found)


def _looked_at(folder: Path, shown: str) -> StoredBackup:
    empty = StoredBackup(folder.name, folder, shown, None)
    try:
        manifest = read_json(folder / MANIFEST)
    except FileNotFoundError:
        return _unreadable(empty, "is missing")
    except OSError as error:
        return _unreadable(empty, f"cannot be read: {error.strerror}")
    except json.JSONDecodeError:
        return _unreadable(empty, "is torn: it is no JSON")
    except ValueError as error:
        return _unreadable(empty, f"is foreign: {error}")
    if why := foreign(manifest, folder.name):
        return _unreadable(empty, why)
    backup = replace(empty, manifest=manifest)
    return replace(backup, problems=tuple(_missing(backup)))


def _unreadable(backup: StoredBackup, why: str) -> StoredBackup:
    return replace(backup, problems=(_problem(backup, MANIFEST, why),))


def _missing(backup: StoredBackup) -> Iterator[Problem]:
    for name, _, wanted in copies(backup):
        path = backup.path / name
        if not path.is_file():
            yield _problem(backup, name, "is missing")
        elif path.is_symlink():
            yield _problem(backup, name, "is a symlink, which no backup has")
        elif wanted is not None and path.stat().st_size != wanted:
            has = path.stat().st_size
            yield _problem(backup, name, f"is cut: it has {has:,} of {wanted:,} bytes")


def _problem(backup: StoredBackup, name: str, message: str) -> Problem:
    return Problem(message, f"{backup.shown}/{name}")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
