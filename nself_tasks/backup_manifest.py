"""What the manifest of a backup has to be before anything of it is shown or used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def foreign(manifest: Any, name: str) -> str | None:
    """Say why this is not the manifest of this backup, if it is not."""
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), list):
        return "is foreign: it is not the manifest of a backup"
    if manifest.get("timestamp") != name:
        return f"is foreign: it is of the backup `{manifest.get('timestamp')}`"
    for entry in manifest["files"]:
        if not isinstance(entry, dict) or not _texts(entry, "source", "dest", "sha256"):
            return "is foreign: a file in it has no name or no sha256, another program wrote it"
        if not _is_inside(entry["dest"]):
            return f"names a file outside of the backup: `{entry['dest']}`"
    if why := _misshapen(manifest):
        return why
    database = manifest.get("database")
    if database is None:
        return None
    if not isinstance(database, dict) or not _texts(database, "dump", "sha256", "identity"):
        return "is foreign: what it says of the dump is not what `nself migrate` writes"
    numbers = (database.get("size"), database.get("server_version"))
    if not all(isinstance(number, int) for number in numbers):
        return "is foreign: the size of the dump or the version of its server is no number"
    inside = _is_inside(database["dump"])
    return None if inside else f"names a dump outside of the backup: `{database['dump']}`"


_WORDS = ("reason", "taken_at", "environment", "era", "run_id", "project_dir", "database", "tool")


def _misshapen(manifest: Mapping[str, Any]) -> str | None:
    """Say which of the things that are shown is of another type than we write."""
    database = manifest.get("database")
    parts = [manifest, database] if isinstance(database, dict) else [manifest]
    for name in _WORDS:
        for part in parts:
            value = part.get(name)
            if not isinstance(value, str | None) and value is not database:
                return f"is foreign: its `{name}` is no text"
    lost = parts[-1].get("not_in_the_dump") or {}
    if not isinstance(lost, dict):
        return "is foreign: its `not_in_the_dump` is no object"
    for names in (manifest.get("created", []), *lost.values()):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return "is foreign: a list of names in it is none"
    return None


def _texts(entry: Mapping[str, Any], *names: str) -> bool:
    return all(isinstance(entry.get(name), str) and entry[name] for name in names)


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")
