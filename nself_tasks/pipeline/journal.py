"""doit's record of finished steps, one line each, appended as they finish.

doit's own stores write once, at the end: a killed run would leave no record at all. The journal is
a cache: every step asks the database, and everything works when this file is deleted.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from nself_tasks.records import read_record
from nself_tasks.storage import give_to_owner


class JournalStore:
    """A doit backend over an append-only file of JSON lines."""

    desc = "append-only journal of finished steps"

    def __init__(self, name: str, codec: Any = None, module_name: str | None = None) -> None:
        self.name = name
        self._path = Path(name)
        self._records: dict[str, dict[str, Any]] = {}
        self._begun = False
        for line in self._lines():
            self._read(line)

    def _lines(self) -> list[str]:
        try:
            return read_record(self._path).decode("utf-8", "replace").splitlines()
        except OSError:
            # Missing or unreadable: a cache may be.
            return []

    def _read(self, line: str) -> None:
        try:
            record = json.loads(line)
            if record.get("removed"):
                self._records.pop(record["task"], None)
            else:
                self._records[record["task"]] = dict(record["record"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # A kill can tear the last line.
            return

    def get(self, task_id: str, dependency: str) -> Any:
        """Give one recorded value of a step, or None."""
        return self._records.get(task_id, {}).get(dependency)

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        """Record a value; `deps:` is the last one that doit sets, so it ends the line."""
        self._records.setdefault(task_id, {})[dependency] = value
        if dependency == "deps:":
            self._append({"task": task_id, "record": self._records[task_id]})

    def in_(self, task_id: str) -> bool:
        """Tell whether anything is recorded for a step."""
        return task_id in self._records

    def remove(self, task_id: str) -> None:
        """Forget one step."""
        if self._records.pop(task_id, None) is not None:
            self._append({"task": task_id, "removed": True})

    def remove_all(self) -> None:
        """Forget every step (`doit forget --all`)."""
        for task_id in list(self._records):
            self.remove(task_id)

    def dump(self) -> None:
        """Nothing is left to write: every line was written when its step ended."""

    def _append(self, record: dict[str, Any]) -> None:
        # A torn last line must not swallow our first one.
        prefix = "" if self._begun else "\n"
        try:
            # A link here would let a clone choose what file of the user's grows.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(self._path, flags, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8") as file:
                file.write(prefix + json.dumps(record, default=list) + "\n")
            if not self._begun:
                give_to_owner(self._path)
        except OSError:
            # A full disk or a read-only folder must not fail a migration that has committed.
            return
        self._begun = True


class MemoryStore(JournalStore):
    """A store for plans: reads nothing, writes nothing."""

    def _lines(self) -> list[str]:
        return []

    def _append(self, record: dict[str, Any]) -> None:
        return
