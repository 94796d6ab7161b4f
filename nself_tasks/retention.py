"""Which backups go: those beyond the last N of each database, and none that is still needed.

By the order in which they were made (`backup_order`), never by the clock; and only whole ones
count, so that what is torn or cut takes no place of one that can be restored.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from nself_tasks.backup_catalog import StoredBackup, stored
from nself_tasks.discovery import Project
from nself_tasks.errors import UsageError
from nself_tasks.storage import backup_dir

VARIABLE = "NSELF_BACKUP_KEEP"
DEFAULT = 10
FILES = "files"
"""What backups of files alone are counted as, in place of a database's identity."""


def keep_count(environ: Mapping[str, str], files: Mapping[str, str]) -> int:
    """Give how many backups of each database stay; 0 means all.

    The process environment comes before the project's env files. Raises UsageError for what is no
    number: a mistyped one must not delete anything.
    """
    text = environ.get(VARIABLE, files.get(VARIABLE, "")).strip()
    if not text:
        return DEFAULT
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(
            f"`{VARIABLE}` is `{text}`, which is no number of backups",
            hint=f"give a number, 0 keeps all; without it {DEFAULT} of each database are kept",
            database="unchanged",
        )
    return int(text)


def surplus(
    project: Project, keep: int, *, needed: Collection[str], upcoming: str | None = None
) -> list[str]:
    """Give the ids of the backups that go, the one that was made first before all others.

    Each database has a count of its own, so that ten runs in dev do not cost the backup of prod.
    `upcoming` is the database of which this run will take one more, which then is the newest. What
    is not whole, another program's, a symlink, or named in `needed` never goes; of these only the
    needed ones count.
    """
    if keep == 0:
        return []
    newest_first = stored(project)
    groups: dict[str, list[str]] = defaultdict(list)
    for backup in newest_first:
        if (group := _group(backup)) is not None:
            groups[group].append(backup.id)
    found = {one for group, ids in groups.items() for one in ids[keep - (group == upcoming) :]}
    return [one.id for one in reversed(newest_first) if one.id in found - set(needed)]


def remove(project: Project, backup_id: str) -> int:
    """Delete one backup; gives the bytes that are free again. Raises OSError, also for a symlink.

    It loses its name first: a deletion that is cut short leaves no backup that only looks whole,
    and the next backup sweeps what is left.
    """
    folder = backup_dir(project) / backup_id
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "it is a symlink", str(folder))
    doomed = folder.with_name(f".unfinished-{backup_id}-{os.getpid()}")
    folder.rename(doomed)
    size = sum(_size(path) for path in doomed.rglob("*"))
    shutil.rmtree(doomed)
    return size


def _group(backup: StoredBackup) -> str | None:
    """Give what a backup is counted with; None for one that is not whole or not ours to delete."""
    if backup.state != "complete" or backup.path.is_symlink():
        return None
    if backup.database is not None:
        return str(backup.database["identity"])
    # The Go CLI's backups lie in the same folder and name no run.
    manifest = backup.manifest or {}
    return FILES if isinstance(manifest.get("run_id"), str) else None


def _size(path: Path) -> int:
    return path.lstat().st_size if path.is_file() and not path.is_symlink() else 0
