"""The order of the graph, and everything that can be wrong with it, found without doit's help.

doit finds only the first unknown name, misses a cycle whose members share a parent, and never says
that a step cannot be reached.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import GraphError, Problem

if TYPE_CHECKING:
    from doit.task import Task

CHANGES = ("apply", "revert", "create-history")
"""Stages that change the database: each needs the lock, and all but dev's need a backup."""


def edges(task: Task) -> tuple[str, ...]:
    """Give the names of the steps that come before this one."""
    return (*task.task_dep, *task.setup_tasks)


def topological(tasks: Iterable[Task], goal: str) -> list[str]:
    """Give the names that the goal needs, each after what it needs. Raises GraphError."""
    by_name = {task.name: task for task in tasks}
    if goal not in by_name:
        raise GraphError(f"the task graph has no step {goal}")
    graph = {name: [d for d in edges(by_name[name]) if d in by_name] for name in by_name}
    needed = _closure(graph, goal)
    try:
        order = list(graphlib.TopologicalSorter({n: graph[n] for n in needed}).static_order())
    except graphlib.CycleError as error:
        raise GraphError("the task graph has a cycle: " + " -> ".join(error.args[1])) from None
    setups = {s for task in by_name.values() for s in task.setup_tasks}
    # A setup step runs only when some step needs it: selecting it would make it run always.
    return [name for name in order if name not in setups]


def _closure(graph: Mapping[str, list[str]], goal: str) -> set[str]:
    needed, todo = set(), [goal]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo.extend(graph[name])
    return needed


def problems(
    steps: Iterable[dict[str, Any]], *, goal: str, root: Path, backup: bool = True
) -> list[Problem]:
    """Give every fault of a graph at once; an empty list means that it is sound.

    It reads the creators' dicts and not doit's tasks: doit refuses some faults at the first one.
    """
    listed = [_Node(step) for step in steps]
    nodes = {node.name: node for node in listed}
    found = _duplicates(listed)
    found += [p for node in listed for p in node.problems(nodes, root)]
    found += _cycles(nodes)
    found += _unreachable(nodes, goal)
    found += _unguarded(nodes, backup)
    found += _chain(nodes)
    return found


class _Node:
    """One step of the graph as its creator wrote it."""

    def __init__(self, step: dict[str, Any]) -> None:
        self.step = step
        base, name = step.get("basename", "migrate"), step.get("name")
        self.name = f"{base}:{name}" if name else str(base)
        self.stage = (step.get("meta") or {}).get("stage", "")
        self.before = [*step.get("task_dep", ()), *step.get("setup", ())]
        self.targets = [str(t) for t in step.get("targets", ())]

    def problems(self, nodes: Mapping[str, _Node], root: Path) -> list[Problem]:
        made = {t for node in nodes.values() for t in node.targets}
        said = [f"depends on {d}, which no step is" for d in self.before if d not in nodes]
        said += [f"has the wildcard dependency {d}" for d in self.before if "*" in d]
        for path in self.step.get("file_dep", ()):
            if str(path) not in made and not Path(path).exists():
                said.append(f"needs the file {path}, which no step makes and which is not there")
        for target in self.targets:
            if not (root / target).resolve().is_relative_to(root.resolve()):
                said.append(f"makes {target}, which is outside the project")
        if not self.step.get("uptodate") and not self.step.get("file_dep"):
            said.append("has no Condition, so it would always run")
        if not _is_plain(self.step.get("meta")):
            said.append("has something in `meta` that is not plain data")
        if "=" in self.name:
            said.append("has `=` in its name, which doit takes for a variable")
        return [Problem(f"{self.name} {text}") for text in said]


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, str | int | float | bool)


def _duplicates(nodes: Iterable[_Node]) -> list[Problem]:
    found: list[Problem] = []
    names: set[str] = set()
    makers: dict[str, str] = {}
    for node in nodes:
        if node.name in names:
            found.append(Problem(f"{node.name} is there twice"))
        names.add(node.name)
        for target in node.targets:
            if target in makers:
                found.append(Problem(f"{target} is made by {makers[target]} and by {node.name}"))
            makers[target] = node.name
    return found


def _cycles(nodes: Mapping[str, _Node]) -> list[Problem]:
    """Report every cycle: each found one is cut, and the search goes on."""
    graph = {name: {d for d in node.before if d in nodes} for name, node in nodes.items()}
    found: list[Problem] = []
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
            return found
        except graphlib.CycleError as error:
            cycle = error.args[1]
            found.append(Problem("cycle: " + " -> ".join(cycle)))
            graph[cycle[1]].discard(cycle[0])
            graph[cycle[0]].discard(cycle[1])


def _unreachable(nodes: Mapping[str, _Node], goal: str) -> list[Problem]:
    if goal not in nodes:
        return [Problem(f"there is no goal {goal}")]
    graph = {name: [d for d in node.before if d in nodes] for name, node in nodes.items()}
    needed = _closure(graph, goal)
    return [Problem(f"{n} cannot be reached from {goal}") for n in nodes if n not in needed]


def _unguarded(nodes: Mapping[str, _Node], backup: bool) -> list[Problem]:
    """Every step that changes the database has the lock and the backup among its setup steps."""
    graph = {name: [d for d in node.before if d in nodes] for name, node in nodes.items()}
    wanted = {"lock": "migrate:lock", "backup": "migrate:backup:database"}
    if not backup:
        del wanted["backup"]
    found = []
    for node in nodes.values():
        if node.stage not in CHANGES:
            continue
        setup = set(node.step.get("setup", ()))
        closure = {n for s in setup if s in nodes for n in _closure(graph, s)}
        if node.stage == "create-history":
            closure = _closure(graph, node.name)
        for what, step in wanted.items():
            if step not in closure:
                found.append(Problem(f"{node.name} changes the database without the {what}"))
    return found


def _chain(nodes: Mapping[str, _Node]) -> list[Problem]:
    """The applies are one chain in the order of versions, the reverts one chain as well."""
    found = []
    for stage, first in (("apply", "migrate:history"), ("revert", "migrate:history")):
        chain = [n for n in nodes.values() if n.stage == stage]
        expected = first
        for node in chain:
            if expected not in node.step.get("task_dep", ()):
                found.append(Problem(f"{node.name} does not come after {expected}"))
            expected = node.name
        numbers = [int(n.name.rsplit(":", 1)[1]) for n in chain]
        if stage == "apply" and numbers != sorted(numbers):
            found.append(Problem("the apply steps are not in the order of their versions"))
    return found
