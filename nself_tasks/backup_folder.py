"""The folder of backups: a free name for a new one, and what killed runs left there."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

from nself_tasks.storage import DRAFTS


def free_backup_id(folder: Path, now: datetime) -> str:
    """Give a backup id that is not taken: local time, as the Go CLI names its backups."""
    stamp = now.strftime("%Y%m%d-%H%M%S")
    candidate, number = stamp, 1
    while (folder / candidate).exists():
        # Two backups in one second.
        number += 1
        candidate = f"{stamp}-{number}"
    return candidate


def sweep_unfinished(folder: Path) -> None:
    """Remove the half-made backups of runs that were killed; one whose process lives stays.

    Call it once the folder is private: a draft of what makes it so is then one that was left.
    """
    for draft in folder.glob(DRAFTS):
        draft.unlink(missing_ok=True)
    for partial in folder.glob(".unfinished-*"):
        number = partial.name.rpartition("-")[2]
        if number.isdecimal() and not _is_alive(int(number)):
            shutil.rmtree(partial, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        # Somebody else's process.
        return True
    return True
