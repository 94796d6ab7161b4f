"""What this project remembers of its restores: which database took the place of which.

A restored database is another one to the server. Its backups from before are still its own: that
is written down before the names are swapped. A database that was kept says the same by its mark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nself_tasks.database import marked_databases as marks
from nself_tasks.discovery import Project
from nself_tasks.records import read_json
from nself_tasks.storage import ensure_private, replace_synced, state_dir

if TYPE_CHECKING:
    from nself_tasks.pipeline.database_restoration import DatabaseRestoration

_NAME = "restored.json"


def _read(project: Project) -> dict[str, Any]:
    try:
        return read_json(state_dir(project) / _NAME)
    except (OSError, ValueError):
        return {}


def _write(project: Project, found: dict[str, Any]) -> None:
    path = ensure_private(state_dir(project)) / _NAME
    replace_synced(path, json.dumps(found, indent=2).encode(), 0o600)


def ancestors(project: Project, identity: str, *, kept: Mapping[str, str]) -> frozenset[str]:
    """Give the identities that the place of this database had before, its own among them.

    `kept` maps each database to the one that it replaced, as the kept ones themselves say; they
    say it where this file is gone, the file says it where they are dropped.
    """
    written = _read(project).get("replaced", {})
    before = {**(written if isinstance(written, dict) else {}), **kept}
    found: set[str] = set()
    while isinstance(identity, str) and identity not in found:
        found.add(identity)
        identity = before.get(identity, "")
    return frozenset(found - {""})


def of_target(restoration: DatabaseRestoration) -> frozenset[str]:
    """Give the identities of all databases that had the place of the one that is to be replaced."""
    project, facts = restoration.settings.project, restoration.facts
    assert facts is not None
    of = restoration.settings.project_name or ""
    kept = marks.successions(restoration.server, restoration.system, of)
    return ancestors(project, facts.identity, kept=kept)


def replaced(project: Project, identity: str, by: str) -> None:
    """Write down that one database takes the place of another. Raises NselfError."""
    found = _read(project)
    known = found.get("replaced")
    known = known if isinstance(known, dict) else {}
    _write(project, {**found, "replaced": {**known, by: identity}})


def making(project: Project, name: str, system: str) -> None:
    """Write down which database of which server is about to be made. Raises NselfError.

    Between its creation and its mark a crash would leave a database that nobody knows.
    """
    _write(project, {**_read(project), "making": {"name": name, "system": system}})


def made(project: Project) -> None:
    """Write down that it bears its mark, or is no more. Raises NselfError."""
    if "making" in (found := _read(project)):
        del found["making"]
        _write(project, found)


def unmarked(project: Project, system: str) -> str | None:
    """Give the name of a database of this server that was about to be made when a restore died."""
    found = _read(project).get("making")
    if not isinstance(found, dict) or found.get("system") != system:
        return None
    return found["name"] if isinstance(found.get("name"), str) else None
