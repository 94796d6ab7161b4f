"""What an upgrade has put on disk before it touches the first file, and what it records at the end.

intent.json    while it is there, a run only rolls forward, `rollback --files` only back; a
               rollback of a finished upgrade writes one, too, before it touches the first file
state.json     what was upgraded, from which layout, with which backup
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nself_tasks import records
from nself_tasks.discovery import Project
from nself_tasks.errors import NselfError
from nself_tasks.plugins import again
from nself_tasks.storage import (
    DRAFTS,
    backup_dir,
    ensure_private,
    replace_synced,
    state_dir,
    sync_folder,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the upgrade: what it was when it was scanned, and what it is to become."""

    path: str
    """Relative to the project root."""
    before: str | None
    """sha256 of the file as scanned; None where there was none."""
    after: str | None
    """sha256 of the staged file; None where the file is moved away."""
    mode: int
    """Permission bits afterwards."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What an upgrade that has begun to install is going to do; on disk before the first file."""

    run_id: str
    era: str
    """The layout before: it decides the order of the env files until the last one is in place."""
    environment: str
    target: str
    """The database's address, its password masked."""
    backup: str
    """The id of the backup that holds the files as they were."""
    entries: tuple[Entry, ...]


def intent_path(project: Project) -> Path:
    """Give where the intent of a project lies."""
    return state_dir(project) / "intent.json"


def state_path(project: Project) -> Path:
    """Give where the record of the last upgrade lies."""
    return state_dir(project) / "state.json"


def staged_path(project: Project, path: str) -> Path:
    """Give where the new text of a file lies until it is installed."""
    return state_dir(project) / "staged" / path


def read_intent(project: Project) -> Intent | None:
    """Give the intent of an unfinished upgrade. Raises NselfError for one that is not readable."""
    try:
        raw = records.read_json(intent_path(project))
        entries = tuple(Entry(**entry) for entry in raw.pop("entries"))
        records.require_entries(entries)
        records.require_backup_id(raw["backup"])
        return Intent(**raw, entries=entries)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NselfError(
            f"`{intent_path(project)}` of an unfinished upgrade cannot be read: {error}",
            hint=f"`nself migrate rollback --files{again(project)}` puts the files back from the"
            " newest backup",
        ) from None


def write_intent(project: Project, intent: Intent) -> None:
    """Write the intent, on disk before this returns."""
    ensure_private(state_dir(project))
    replace_synced(intent_path(project), json.dumps(asdict(intent), indent=2).encode(), 0o600)


def readable_intent(project: Project) -> Intent | None:
    """Give the intent of an unfinished upgrade; one that cannot be read counts as none."""
    try:
        return read_intent(project)
    except NselfError:
        return None


def ways_on(project: Project) -> str:
    """Say how an upgrade goes on that has begun to install, and so does not scan again."""
    if readable_intent(project) is None:
        return ""
    return (
        " with them as they were, or put the project back: `nself migrate rollback --files"
        f" --force-files{again(project)}`, which keeps your changes in a backup of their own"
    )


def env_file(project: Project, name: str) -> Path:
    """Give where an env file is that holds now: in the backup while an upgrade is unfinished.

    The files of the project are then partly of v1, partly of v2, and mean nothing together.
    """
    intent = readable_intent(project)
    entry = next((e for e in intent.entries if e.path == name), None) if intent else None
    if intent is None or entry is None:
        return project.root / name
    saved = backup_dir(project) / intent.backup
    return saved / name if saved.is_dir() else project.root / name


def remove_intent(project: Project) -> None:
    """End the upgrade; what was staged is not needed any more."""
    intent = readable_intent(project)
    files = [project.root / entry.path for entry in intent.entries] if intent else []
    root = os.path.realpath(project.repo_root)
    folders = {Path(os.path.realpath(file)).parent for file in files}
    # A link may lead to where it is not ours to remove anything.
    folders = {folder for folder in folders if folder.is_relative_to(root)}
    for folder in {state_dir(project), *folders}:
        # Of a run that was killed while it wrote one file; beside it where that is another disk.
        for draft in folder.glob(DRAFTS):
            draft.unlink(missing_ok=True)
    intent_path(project).unlink(missing_ok=True)
    sync_folder(state_dir(project))
    shutil.rmtree(state_dir(project) / "staged", ignore_errors=True)


def remove_state(project: Project) -> None:
    """Forget that the project was upgraded: it is as it was."""
    state_path(project).unlink(missing_ok=True)


def write_state(project: Project, state: Mapping[str, Any]) -> None:
    """Record what was upgraded, from which layout, with which backup."""
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    data = json.dumps({**state, "at": stamp}, indent=2).encode()
    replace_synced(state_path(project), data, 0o600)
