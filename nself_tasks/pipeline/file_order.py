"""What the graph of a file upgrade must hold: nothing is installed without its way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nself_tasks.errors import Problem
from nself_tasks.pipeline.files_lock import FILES_LOCK
from nself_tasks.pipeline.install import INTENT
from nself_tasks.pipeline.prepare import BACKUP_FILES
from nself_tasks.pipeline.record import RECORD


def problems(steps: Iterable[dict[str, Any]]) -> Iterator[Problem]:
    """Give every install without backup or intent, before a migration, or left out of the record.

    The schema comes first: a migration that fails leaves the files as they were.
    """
    listed = list(steps)
    schema = [_name(step) for step in listed if _stage(step) in ("apply", "commit")]
    recorded = {d for step in listed if _name(step) == RECORD for d in step.get("task_dep", ())}
    for step in listed:
        if _stage(step) == "stage" and FILES_LOCK not in step.get("setup", ()):
            yield Problem(f"{_name(step)} writes without the lock on the files")
        if _stage(step) != "install":
            continue
        name, setup, after = _name(step), step.get("setup", ()), step.get("task_dep", ())
        for what, needed in (("backup of the files", BACKUP_FILES), ("intent", INTENT)):
            if needed not in setup:
                yield Problem(f"{name} changes a file without the {what}")
        if schema and schema[-1] not in after:
            yield Problem(f"{name} does not come after {schema[-1]}")
        if name not in recorded:
            yield Problem(f"{name} is not among what {RECORD} looks at again")


def _stage(step: dict[str, Any]) -> str:
    meta = step.get("meta")
    return str(meta.get("stage", "")) if isinstance(meta, Mapping) else ""


def _name(step: dict[str, Any]) -> str:
    base, name = step.get("basename", ""), step.get("name")
    return f"{base}:{name}" if name else str(base)
