"""doit's hooks turned into events, and into the outcome of the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from doit.exceptions import BaseFail
from doit.task import Task

from nself_tasks.errors import NselfError
from nself_tasks.pipeline.engine import Outcome
from nself_tasks.pipeline.steps import PlanStale

Emit = Callable[[dict[str, Any]], None]
"""Takes one event: `event`, `step`, and what belongs to it."""


class EventReporter:
    """A doit reporter that emits one event when a step begins, and one when it ends."""

    desc = "events"

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.outcome = Outcome()
        self.current: str | None = None
        self._started = 0.0

    def initialize(self, tasks: Any, selected: Any) -> None:
        """doit calls it before the first step."""

    def get_status(self, task: Task) -> None:
        """doit calls it before it asks a step's conditions."""
        # A condition may wait or fail: the step that asks is the current one.
        self.current = task.name

    def execute_task(self, task: Task) -> None:
        """A step begins."""
        self.current, self._started = task.name, time.monotonic()
        if not task.has_subtask:
            self.emit({"event": "begin", "step": task.name, "title": task.doc or ""})

    def add_success(self, task: Task) -> None:
        """A step ended well; it is said now and not before."""
        status = "checked" if (task.meta or {}).get("check") else "done"
        self._ended(task, status, dict(task.values or {}))

    def skip_uptodate(self, task: Task) -> None:
        """A step had nothing to do."""
        self._ended(task, "up-to-date", {}, ran=False)

    def skip_ignore(self, task: Task) -> None:
        """`doit ignore` has no effect here: the journal does not keep such marks."""

    def add_failure(self, task: Task, fail: BaseFail) -> None:
        """A step failed, or could not begin."""
        if isinstance(getattr(fail, "cause", None), PlanStale):
            # Nothing failed: the plan is made again, and that is said.
            return
        if self.outcome.failed_step is None:
            self.outcome.failed_step = task.name
            self.outcome.cause = getattr(fail, "cause", None) or NselfError(fail.message)
        self._ended(task, "failed", {"message": fail.message})

    def cleanup_error(self, fail: BaseFail) -> None:
        """A teardown failed: the connection is closed anyway, and the lock dies with it."""
        self.emit({"event": "note", "text": f"after the run: {fail.message}"})

    def runtime_error(self, message: str) -> None:
        """doit found a fault of the graph while running."""
        self.outcome.cause = NselfError(message)
        self.outcome.failed_step = self.current

    def teardown_task(self, task: Task) -> None:
        """doit calls it before a teardown."""

    def complete_run(self) -> None:
        """doit calls it at the end."""

    def _ended(self, task: Task, status: str, values: dict[str, Any], *, ran: bool = True) -> None:
        if task.has_subtask:
            return
        seconds = round(time.monotonic() - self._started, 3) if ran and self._started else 0.0
        self._started = 0.0
        record = {"id": task.name, "status": status, "seconds": seconds}
        self.outcome.steps.append(record)
        self.emit(
            {
                "event": "end",
                "step": task.name,
                "title": task.doc or "",
                "status": status,
                "seconds": seconds,
                **({"values": values} if values else {}),
            }
        )
