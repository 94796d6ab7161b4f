"""In which order backups were made, whatever the clock said meanwhile.

A backup is named after the local time, and its manifest says the time as well; a clock that was
ahead makes both of them wrong for good. So each backup gets a number in its manifest, one more than
the highest in the folder: the one that was just made is the newest. Backups without a number are
older than all that have one; among themselves they go by time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nself_tasks.records import read_json

_HIGHEST = 1 << 53
"""What every reader of JSON takes for a whole number; nobody makes so many backups."""
_ID = re.compile(r"(\d{8}-\d{6})(?:-(\d+))?")


def next_sequence(folder: Path) -> int:
    """Give the number of the next backup in the folder of backups."""
    highest = 0
    for path in folder.glob("[!.]*/manifest.json"):
        try:
            highest = max(highest, _sequence(read_json(path)))
        except (OSError, ValueError):
            continue
    return highest + 1


def order(manifest: Mapping[str, Any], backup_id: str) -> tuple[int, float, str, int]:
    """Give what backups are sorted by, the one that was made first before all others."""
    taken = taken_at(manifest, backup_id)
    seconds = taken.timestamp() if taken else 0.0
    found = _ID.fullmatch(backup_id)
    stamp, number = (found[1], int(found[2] or 1)) if found else (backup_id, 0)
    return _sequence(manifest), seconds, stamp, number


def taken_at(manifest: Mapping[str, Any], backup_id: str) -> datetime | None:
    """Give when a backup was taken, by its own word; else by its name, which is local time."""
    database = manifest.get("database")
    said = manifest.get("taken_at")
    if not said and isinstance(database, Mapping):
        said = database.get("taken_at")
    try:
        taken = datetime.fromisoformat(said or "")
    except (TypeError, ValueError):
        taken = None
    if taken is not None and taken.tzinfo is not None:
        return taken
    try:
        return datetime.strptime(backup_id[:15], "%Y%m%d-%H%M%S").astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _sequence(manifest: Mapping[str, Any]) -> int:
    """Give the number in a manifest; 0 where there is none, or one that we do not give."""
    found = manifest.get("sequence")
    if isinstance(found, bool) or not isinstance(found, int):
        return 0
    return found if 0 < found < _HIGHEST else 0
