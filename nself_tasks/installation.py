"""Puts upgraded files in place so that a crash at any moment can be rolled forward or back.

    staged/docker-compose.yml ─┐
    intent.json (synced first) ┴─► docker-compose.yml      one atomic replace a file
    backup/<id>/… ─────────────────► docker-compose.yml    and the same on the way back

While the intent is there, a run only rolls forward from `staged/`, a rollback only back.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nself_tasks.discovery import Project
from nself_tasks.errors import GuardError, NselfError, Problem
from nself_tasks.intent import Entry, staged_path, ways_on
from nself_tasks.plugins import again
from nself_tasks.records import read_regular
from nself_tasks.storage import (
    DRAFTS,
    backup_dir,
    ensure_private,
    explained,
    make_synced,
    replace_synced,
    state_dir,
    sync_folder,
)


def digest(path: Path) -> str | None:
    """Give the sha256 of a file, or None where there is none."""
    try:
        return hashlib.sha256(read_regular(path)).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def mode_of(path: Path) -> int | None:
    """Give the permission bits of a file, or None where there is none."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_installed(project: Project, entry: Entry) -> bool:
    """Tell whether a file is what the upgrade makes of it."""
    path = real_path(project, entry.path)
    is_it = digest(path) == entry.after
    return is_it and (entry.after is None or mode_of(path) == entry.mode)


def require_unchanged(project: Project, entries: Iterable[Entry]) -> None:
    """Raise GuardError naming every file that somebody changed since it was scanned."""
    changed = [
        entry.path
        for entry in entries
        if not is_installed(project, entry)
        and digest(real_path(project, entry.path)) not in (entry.before, entry.after)
    ]
    if changed:
        raise GuardError(
            f"{len(changed)} file{'s' if len(changed) > 1 else ''} changed while the upgrade ran",
            problems=[Problem("is not what it was when the plan was made", p) for p in changed],
            hint=f"nothing of them was overwritten: look at them, then run again{ways_on(project)}",
        )


def require_staged(project: Project, entries: Iterable[Entry]) -> None:
    """Raise GuardError where the new text of a file that is not in place yet is gone or another."""
    lost = [
        entry.path
        for entry in entries
        if entry.after is not None
        and not is_installed(project, entry)
        and digest(staged_path(project, entry.path)) != entry.after
    ]
    if lost:
        raise GuardError(
            "the unfinished upgrade cannot be finished: what was staged for it is gone or changed",
            problems=[Problem("its new text is not in `.nself/migrate/staged`", p) for p in lost],
            hint=f"`nself migrate rollback --files{again(project)}` puts the project back as it"
            " was; after that, a run begins anew",
        )


def install(project: Project, entry: Entry) -> None:
    """Put one file in place, atomically; a file that is in place already is left alone.

    Raises GuardError for a file that is neither what it was nor what it becomes.
    """
    require_unchanged(project, [entry])
    require_staged(project, [entry])
    if is_installed(project, entry):
        return
    path = real_path(project, entry.path)
    if entry.after is None:
        # A link goes, and what it leads to stays: that may be read under its own name.
        link = project.root / entry.path
        with explained(link):
            link.unlink(missing_ok=True)
        sync_folder(link.parent)
        return
    staged = staged_path(project, entry.path)
    replace_synced(path, staged.read_bytes(), entry.mode, drafts=state_dir(project))


def restore(project: Project, manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    """Put one file back as a backup has it: bytes, mode, symlink. Raises NselfError, GuardError."""
    path, data = project.root / entry["source"], saved(project, manifest, entry)
    _inside(project, entry["source"], path.parent)
    if "symlink" in entry and not path.is_symlink():
        _inside(project, entry["source"], path.parent / entry["symlink"])
        with explained(path):
            path.unlink(missing_ok=True)
            make_synced(path.parent)
            path.symlink_to(entry["symlink"])
        sync_folder(path.parent)
    target = real_path(project, entry["source"])
    replace_synced(target, data, entry["mode"], drafts=ensure_private(state_dir(project)))


def saved(project: Project, manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> bytes:
    """Give the bytes of a file as a backup has them. Raises NselfError for a damaged copy."""
    copy = backup_dir(project) / manifest["timestamp"] / entry["dest"]
    try:
        data = read_regular(copy)
    except OSError as error:
        raise _damaged(entry["source"], error.strerror or "it cannot be read") from error
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise _damaged(entry["source"], "its bytes are not the ones that were saved")
    return data


def _damaged(source: str, why: str) -> NselfError:
    return NselfError(
        f"the copy of `{source}` in the backup is damaged: {why}",
        hint="no further file was put back; `--backup ID` names another backup",
    )


def is_restored(project: Project, entry: Mapping[str, Any]) -> bool:
    """Tell whether a file is as the backup has it."""
    path = project.root / entry["source"]
    is_linked = path.is_symlink() or "symlink" not in entry
    return bool(is_linked and digest(path) == entry["sha256"] and mode_of(path) == entry["mode"])


def remove_created(project: Project, path: str, folders: Iterable[str]) -> None:
    """Remove a file that the upgrade created, and those of its folders that are empty then."""
    target = project.root / path
    _inside(project, path, target.parent)
    with explained(target):
        target.unlink(missing_ok=True)
        sync_folder(target.parent)
        for folder in _left_empty(project, path, folders):
            for draft in folder.glob(DRAFTS):
                draft.unlink()
            folder.rmdir()
            sync_folder(folder.parent)


def is_removed(project: Project, path: str, folders: Iterable[str]) -> bool:
    """Tell whether a file that the upgrade created is gone, with its folders that are empty."""
    empty = next(_left_empty(project, path, folders), None)
    return not os.path.lexists(project.root / path) and empty is None


def _left_empty(project: Project, path: str, folders: Iterable[str]) -> Iterator[Path]:
    """Give the folders above a file that the upgrade created and nobody uses, the inner first."""
    made = {project.root / folder for folder in folders}
    for folder in (project.root / path).parents:
        if folder in made and folder.is_dir():
            if any(not file.match(DRAFTS) for file in folder.iterdir()):
                return
            yield folder


def real_path(project: Project, path: str) -> Path:
    """Follow a symlink inside the project to the file itself; GuardError for one that leaves it."""
    whole = project.root / path
    real = _inside(project, path, whole)
    return real if whole.is_symlink() else whole


def _inside(project: Project, path: str, whole: Path) -> Path:
    real = Path(os.path.realpath(whole))
    if not real.is_relative_to(os.path.realpath(project.repo_root)):
        raise GuardError(
            f"`{path}` leads out of the project, to `{real}`",
            hint="put the file itself into the project, or leave its kind out with `--skip`",
            database="unchanged",
        )
    return real
