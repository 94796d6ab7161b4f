"""Reads what nself has left in `.nself/`, as if a stranger had written it: a clone may bring it.

A record is a regular file of bounded size, never a link, a pipe or a device. The paths in it are
those of files of the project: nothing that climbs out of it, nothing of git's own folder.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from nself_tasks.errors import NselfError

LARGEST = 64_000_000
"""Bytes of one record; an upgrade of ten thousand files has two million."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BACKUP_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")


def read_record(path: Path) -> bytes:
    """Give a record's bytes; raises OSError, also for what is no regular file or too large."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symlink", str(path))
    data = read_regular(path, LARGEST + 1)
    if len(data) > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST // 1_000_000} MB", str(path))
    return data


def read_regular(path: Path, most: int = -1) -> bytes:
    """Give the bytes of a file; raises OSError, also for a pipe or a device: it may never end."""
    # Without O_NONBLOCK a named pipe would wait for its writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read(most)


def require_unlinked(path: Path) -> None:
    """Raise NselfError where `.nself` above a path, or a folder between them, is a symlink.

    A clone may bring such a link, and what we keep for ourselves would be written where it leads.
    """
    own = list(reversed(path.parts)).index(".nself") if ".nself" in path.parts else -1
    for each in (path, *path.parents)[: own + 1]:
        if each.is_symlink():
            raise NselfError(
                f"`{each}` is a symlink, to `{os.path.realpath(each)}`: nothing is written there",
                hint="put a folder in its place, or remove it; nothing was changed",
            )


def read_json(path: Path) -> dict[str, Any]:
    """Give a record that is a JSON object; raises OSError, or ValueError for what is none."""
    try:
        found = json.loads(read_record(path).decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def require_entries(entries: Iterable[Any]) -> None:
    """Raise ValueError for an entry of an intent that `nself migrate` would not have written."""
    for entry in entries:
        require_path(entry.path)
        _require_digests(entry.before, entry.after)
        _require_mode(entry.mode)


def require_manifest(manifest: Mapping[str, Any], backup_id: str) -> None:
    """Raise ValueError for the manifest of a backup that no backup of ours has."""
    if manifest.get("timestamp") != backup_id:
        raise ValueError("it is of another backup")
    files = manifest.get("files")
    if not isinstance(files, list) or not all(isinstance(entry, dict) for entry in files):
        raise ValueError("it lists no files")
    for entry in files:
        require_path(entry.get("source"))
        require_path(entry.get("dest"))
        if "sha256" in entry or "mode" in entry:
            _require_digests(entry.get("sha256"))
            _require_mode(entry.get("mode"))
        if not isinstance(entry.get("symlink", ""), str):
            raise ValueError("a symlink of it leads nowhere")
    for name in ("created", "created_folders"):
        paths = manifest.get(name, [])
        if not isinstance(paths, list):
            raise ValueError(f"its `{name}` is no list")
        for path in paths:
            require_path(path)
    if not isinstance(manifest.get("after", {}), dict):
        raise ValueError("its `after` is no object")


def require_path(path: object) -> None:
    """Raise ValueError for a path that is not one of the project's own files, written plainly."""
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError("a path in it is no text")
    parts = path.split("/")
    if path == "." or path != str(PurePosixPath(path)) or path.startswith("/") or ".." in parts:
        raise ValueError(f"it names a path outside of the project: {path[:200]!r}")
    if any(part.casefold() == ".git" for part in parts):
        # What lies there, git runs.
        raise ValueError(f"it names a path of git's: {path[:200]!r}")


def require_backup_id(name: object) -> None:
    """Raise ValueError for what cannot be the name of a backup."""
    if not isinstance(name, str) or (name and not _BACKUP_ID.fullmatch(name)):
        raise ValueError("it names no backup")


def _require_digests(*digests: object) -> None:
    for digest in digests:
        if digest is not None and not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
            raise ValueError("a checksum in it is none")


def _require_mode(mode: object) -> None:
    if not isinstance(mode, int) or isinstance(mode, bool) or not 0 <= mode <= 0o7777:
        raise ValueError("a file's permissions in it are none")
