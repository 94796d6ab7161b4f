"""The order of the graph: each step after what it needs."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from nself_tasks.errors import GraphError

if TYPE_CHECKING:
    from doit.task import Task


def edges(task: Task) -> tuple[str, ...]:
    """Give the names of the steps that come before this one."""
    return (*task.task_dep, *task.setup_tasks)


def topological(tasks: Iterable[Task], goal: str) -> list[str]:
    """Give the names that the goal needs, each after what it needs. Raises GraphError."""
    by_name = {task.name: task for task in tasks}
    if goal not in by_name:
        raise GraphError(f"the task graph has no step {goal}")
    graph = {name: [d for d in edges(by_name[name]) if d in by_name] for name in by_name}
    needed = closure(graph, goal)
    try:
        wanted = {name: graph[name] for name in graph if name in needed}
        order = list(graphlib.TopologicalSorter(wanted).static_order())
    except graphlib.CycleError as error:
        raise GraphError("the task graph has a cycle: " + " -> ".join(error.args[1])) from None
    setups = {s for task in by_name.values() for s in task.setup_tasks}
    # A setup step runs only when some step needs it: selecting it would make it run always.
    return [name for name in order if name not in setups]


def closure(graph: Mapping[str, list[str]], goal: str) -> set[str]:
    """Give the goal and everything that comes before it."""
    needed: set[str] = set()
    todo = [goal]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo.extend(graph[name])
    return needed
