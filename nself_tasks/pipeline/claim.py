"""Which backup an unfinished run took, so that its resume need not take another one.

The claim holds as long as nobody else has written: every transaction of ours asks for its id when
it begins, and an id that is not the next one after the backup's means somebody's write. What runs
outside a transaction uses ids that nobody counts; its resume takes a new backup.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks import records
from nself_tasks.discovery import Project
from nself_tasks.errors import NselfError
from nself_tasks.storage import ensure_private, state_dir

if TYPE_CHECKING:
    from nself_tasks.database.session import Session

VALID_SECONDS = 15 * 60
"""After a quarter of an hour a resume takes a new backup."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The backup of an unfinished run."""

    run_id: str
    goal: str
    identity: str
    backup: str
    taken_at: float
    """Seconds since the epoch."""
    next_xid: int
    """The id that the next transaction has unless somebody else writes; -1 when somebody did."""


def path(project: Project) -> Path:
    """Give where the claim of a project lies."""
    return state_dir(project) / "unfinished.json"


def read(project: Project) -> Claim | None:
    """Give the claim; a missing, torn or foreign file is no claim."""
    try:
        claim = Claim(**records.read_json(path(project)))
        records.require_backup_id(claim.backup)
        return replace(claim, taken_at=float(claim.taken_at), next_xid=int(claim.next_xid))
    except (OSError, ValueError, TypeError, OverflowError):
        return None


def write(project: Project, claim: Claim) -> None:
    """Replace the claim; a disk that cannot take it costs a second backup, nothing else."""
    try:
        ensure_private(state_dir(project))
        target = path(project)
        # Not synced: a claim that is lost costs a second backup.
        partial = target.with_name(f".nself-{os.urandom(8).hex()}.tmp")
        with partial.open("x", encoding="utf-8") as file:
            file.write(json.dumps(asdict(claim)))
        partial.replace(target)
    except (OSError, NselfError):
        return


def remove(project: Project) -> None:
    """End the claim: the run is finished. Where that cannot be, it ends by time or by a write."""
    with suppress(OSError):
        path(project).unlink(missing_ok=True)


def next_xid(session: Session) -> int:
    """Give the server's next transaction id; it grows with every write, ours included."""
    row = session.connection.execute(
        "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint"
    ).fetchone()
    return int(row[0]) if row else -1


def began(project: Project, claim: Claim | None, xid: int) -> Claim | None:
    """Note that a transaction of ours has begun and has this id.

    Another id than the expected one means that somebody wrote since the backup: that ends the
    claim's worth for good.
    """
    if claim is None:
        return None
    newer = replace(claim, next_xid=xid + 1 if xid == claim.next_xid else -1)
    write(project, newer)
    return newer


def covers(claim: Claim | None, *, goal: str, identity: str, xid: int, backups: Path) -> bool:
    """Tell whether the claim's backup still holds what a resume would lose."""
    if claim is None or claim.goal != goal or claim.identity != identity:
        return False
    if not 0 <= time.time() - claim.taken_at < VALID_SECONDS:
        # A clock that went backwards does not make an old backup young.
        return False
    return xid == claim.next_xid and (backups / claim.backup / "manifest.json").is_file()
