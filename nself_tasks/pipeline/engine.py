"""The only driver of doit: builds the graph, plans it, runs it.

A plan walks doit's own dispatcher and asks every step's conditions, so plan and run cannot drift
apart: their order and their reasons come from one place.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from doit.control import TaskControl
from doit.dependency import Dependency, MD5Checker
from doit.exceptions import InvalidDodoFile, InvalidTask
from doit.loader import generate_tasks
from doit.runner import Runner
from doit.task import Stream, Task

from nself_tasks.errors import GraphError, NselfError, unexpected
from nself_tasks.model import Step, StepStatus
from nself_tasks.pipeline.journal import JournalStore, MemoryStore
from nself_tasks.pipeline.steps import StepDict, raised
from nself_tasks.pipeline.topology import topological

GOAL = "migrate:record"


@dataclass(slots=True)
class Outcome:
    """What became of a run: the first failure, or the signal that stopped it."""

    failed_step: str | None = None
    cause: BaseException | None = None
    interrupted: KeyboardInterrupt | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    """id, status and seconds of every step that was looked at."""


def build(steps: Iterable[StepDict]) -> list[Task]:
    """Turn the creators' dicts into doit tasks. Raises GraphError."""
    try:
        return list(generate_tasks("migrate", (dict(step) for step in steps)))
    except (InvalidTask, InvalidDodoFile) as error:
        raise GraphError(f"the task graph cannot be built: {error}") from None


def _control(tasks: list[Task], goal: str) -> TaskControl:
    try:
        control = TaskControl(tasks)
        # Selecting the goal alone would walk the chain from its tail: quadratic in doit.
        control.process(topological(tasks, goal))
    except (InvalidTask, InvalidDodoFile) as error:
        raise GraphError(f"the task graph is wrong: {error}") from None
    return control


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Thousands of live tasks make the cyclic collector double the time of a run."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Planner(Runner):  # type: ignore[misc]
    """Walks doit's own dispatcher, asks every status question, runs nothing."""

    def __init__(self, store: Dependency) -> None:
        super().__init__(store, reporter=None)
        self.plan: list[Step] = []
        self._asked: dict[str, tuple[StepStatus, tuple[str, ...]]] = {}
        self._blocked: set[str] = set()
        self._made: dict[str, str] = {}

    def select_task(self, node: Any, tasks_dict: dict[str, Task]) -> bool:
        """Record the step; never let doit execute it."""
        task = node.task
        if node.run_status is None:
            answer = self._after_blocked(task.task_dep) or self._ask(task, tasks_dict)
            self._asked[task.name] = answer
            if answer[0] is StepStatus.RUN and task.setup_tasks:
                # doit now sends the setup tasks, then this task again.
                node.run_status = "run"
                return False
        status, why = self._after_blocked(task.setup_tasks) or self._asked[task.name]
        if status is StepStatus.BLOCKED:
            self._blocked.add(task.name)
        node.run_status = "up-to-date" if status is StepStatus.UP_TO_DATE else "successful"
        if status is StepStatus.RUN:
            self._made.update(dict.fromkeys(task.targets, task.name))
        if not task.has_subtask:
            self.plan.append(_step(task, status, why))
        return False

    def _after_blocked(self, before: Iterable[str]) -> tuple[StepStatus, tuple[str, ...]] | None:
        blocker = next((step for step in before if step in self._blocked), None)
        if blocker is None:
            return None
        return StepStatus.BLOCKED, (f"comes after {blocker}, which is blocked",)

    def _ask(self, task: Task, tasks_dict: dict[str, Task]) -> tuple[StepStatus, tuple[str, ...]]:
        made = [f"input {d} is made by {self._made[d]}" for d in task.file_dep if d in self._made]
        # Not there yet; and doit cannot say that a file is missing whose name has braces.
        task.file_dep.difference_update(self._made)
        found = self.dep_manager.get_status(task, tasks_dict, get_log=True)
        if (error := raised(task)) is not None:
            said = error if isinstance(error, NselfError) else unexpected(error)
            return StepStatus.BLOCKED, tuple(map(str, said.problems)) or (said.message,)
        if made:
            return StepStatus.RUN, _conditions(found.reasons) or tuple(made)
        if found.status == "error":
            return StepStatus.BLOCKED, (found.get_error_message(),)
        if found.status == "up-to-date":
            return StepStatus.UP_TO_DATE, tuple(repr(u[0]) for u in task.uptodate)
        check = (task.meta or {}).get("check")
        return (StepStatus.CHECK if check else StepStatus.RUN), _reasons(found.reasons)


def _reasons(reasons: dict[str, Any]) -> tuple[str, ...]:
    """Put doit's reasons into words."""
    said = list(_conditions(reasons))
    if not said:
        said += [f"{target} is not there" for target in reasons.get("missing_target", ())]
        said += [f"{path} has changed" for path in reasons.get("changed_file_dep", ())]
    if reasons.get("has_no_dependencies"):
        said.append("always runs")
    return tuple(said)


def _conditions(reasons: dict[str, Any]) -> tuple[str, ...]:
    """Give what the step's own conditions say: that tells more than the name of a file."""
    return tuple(repr(condition) for condition, _, _ in reasons.get("uptodate_false", ()))


def _step(task: Task, status: StepStatus, why: tuple[str, ...]) -> Step:
    meta = task.meta or {}
    return Step(
        id=task.name,
        stage=meta.get("stage", ""),
        title=task.doc or "",
        status=status,
        reasons=why,
        after=tuple(task.task_dep),
        setup=tuple(task.setup_tasks),
        inputs=tuple(meta.get("inputs", ())),
        targets=tuple(task.targets),
        sql=tuple(meta.get("sql", ())),
        segments=tuple(meta.get("segments", ())),
    )


def plan(steps: Iterable[StepDict], goal: str = GOAL) -> tuple[Step, ...]:
    """Give what a run would do, in doit's own order, with the reasons; executes nothing."""
    with _collector_paused():
        control = _control(build(steps), goal)
        planner = Planner(Dependency(MemoryStore, "", checker_cls=MD5Checker))
        planner.run_tasks(control.task_dispatcher())
    return tuple(planner.plan)


def execute(steps: Iterable[StepDict], reporter: Any, journal: str, *, goal: str = GOAL) -> Outcome:
    """Run the graph. Expected failures and signals come back in the Outcome; bugs are raised."""
    outcome: Outcome = reporter.outcome
    with _collector_paused():
        control = _control(build(steps), goal)
        store = Dependency(JournalStore, journal, checker_cls=MD5Checker)
        try:
            Runner(store, reporter, stream=Stream(2)).run_all(control.task_dispatcher())
        except KeyboardInterrupt as signal:
            outcome.interrupted = signal
            outcome.failed_step = reporter.current
    return outcome


Emit = Callable[[str, dict[str, Any]], None]
