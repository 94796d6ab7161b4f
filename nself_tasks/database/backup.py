"""The dump that is taken before a change: the server's own major version, verified, described."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_tasks.backup_folder import free_backup_id
from nself_tasks.backup_order import next_sequence
from nself_tasks.database import dump as dumping
from nself_tasks.database import dump_tool
from nself_tasks.errors import BackupFailed
from nself_tasks.storage import make_private, sync_folder, why

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.database.dump import Progress
    from nself_tasks.database.dump_tool import DumpTool, FindStack
    from nself_tasks.schema_history import ServerFacts

DUMP = "database.dump"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup."""

    id: str
    path: Path
    size: int
    """Bytes of the dump."""
    tool: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why and where a backup is taken."""

    project_dir: Path
    reason: str
    run_id: str
    environment: str


def take(
    folder: Path,
    occasion: Occasion,
    *,
    connection: Conn,
    facts: ServerFacts,
    into: str | None = None,
    find_stack: FindStack = lambda: None,
    progress: Progress = dumping.unwatched,
) -> Backup:
    """Dump the database into a new folder of `folder`; it appears there only when it is complete.

    `into` names the backup of the project's files in this run, which takes the dump as well;
    `find_stack` gives the Compose stack whose container may have a `pg_dump`. Raises BackupFailed,
    with the ways out, before anything was changed.
    """
    tool = dump_tool.choose(connection, facts, find_stack)
    _require_space(folder, connection)
    begun = datetime.now()
    partial = folder / f".unfinished-{begun:%Y%m%d-%H%M%S}-{os.getpid()}"
    try:
        make_private(partial)
        dump = partial / DUMP
        tool.dump(connection, dump, progress=progress)
        about = _about(occasion, connection, facts, tool)
        about["entries"] = dumping.verify(tool.restorer, dump)
        final_id = into or free_backup_id(folder, begun)
        manifest = _manifest(final_id, next_sequence(folder), occasion.project_dir, dump, about)
        _finish(partial, folder / final_id, manifest, into_files=into is not None)
    except OSError as error:
        what, hint = why(error, partial)
        raise BackupFailed(
            f"the database could not be backed up: {error.filename or partial}: {what}",
            hint=f"{hint}; nothing was changed",
            database="unchanged",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    size = manifest["database"]["size"]
    return Backup(final_id, folder / final_id, size, tool.label)


def _about(
    occasion: Occasion, connection: Conn, facts: ServerFacts, tool: DumpTool
) -> dict[str, Any]:
    return {
        "reason": occasion.reason,
        "run_id": occasion.run_id,
        "environment": occasion.environment,
        "server_version": facts.version,
        "database": facts.database,
        "identity": facts.identity,
        "tool": tool.label,
        "not_in_the_dump": _not_in_the_dump(connection),
    }


def _finish(partial: Path, final: Path, manifest: dict[str, Any], *, into_files: bool) -> None:
    """Give the backup its name, or its place beside the files that this run has backed up."""
    if into_files:
        whole = json.loads((final / MANIFEST).read_text(encoding="utf-8"))
        manifest = {**whole, "database": manifest["database"]}
    _write_synced(partial / MANIFEST, json.dumps(manifest, indent=2).encode())
    if not into_files:
        partial.rename(final)
        sync_folder(final.parent)
        return
    (partial / DUMP).rename(final / DUMP)
    sync_folder(final)
    # The manifest comes last: a dump that it does not name does not count.
    (partial / MANIFEST).replace(final / MANIFEST)
    sync_folder(final)
    partial.rmdir()


def _require_space(folder: Path, connection: Conn) -> None:
    """Refuse where the database is larger than what is free: a compressed dump is smaller."""
    row = connection.execute(
        "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"
    ).fetchone()
    needed, free = (row[0] if row else 0), shutil.disk_usage(folder).free
    if needed > free:
        raise BackupFailed(
            f"the database has {needed / 1e6:.0f} MB, {folder} has {free / 1e6:.0f} MB free",
            hint="free some space; in dev `--skip-backup` goes on without a backup",
            database="unchanged",
        )


def _not_in_the_dump(connection: Conn) -> dict[str, list[str]]:
    """List what a dump of one database cannot hold."""
    roles = connection.execute(
        "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
    ).fetchall()
    slots = connection.execute(
        "SELECT slot_name FROM pg_catalog.pg_replication_slots ORDER BY 1"
    ).fetchall()
    return {"roles": [r[0] for r in roles], "replication_slots": [s[0] for s in slots]}


def _manifest(
    backup_id: str, sequence: int, project_dir: Path, dump: Path, database: dict[str, Any]
) -> dict[str, Any]:
    digest = hashlib.sha256()
    with dump.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {
        "timestamp": backup_id,
        "sequence": sequence,
        "project_dir": str(project_dir),
        "files": [],
        "database": {
            "dump": DUMP,
            "size": dump.stat().st_size,
            "sha256": digest.hexdigest(),
            "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **database,
        },
    }


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
