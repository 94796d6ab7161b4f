"""Everything that can be wrong with the graph, found without doit's help.

doit finds only the first unknown name, misses a cycle whose members share a parent, and never says
that a step cannot be reached.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nself_tasks.errors import Problem
from nself_tasks.pipeline.prepare import BACKUP, HISTORY, LOCK
from nself_tasks.pipeline.topology import closure

CHANGES = ("apply", "revert", "create-history")
"""Stages that change the database: each needs the lock, and all but dev's need a backup."""


def problems(
    steps: Iterable[dict[str, Any]], *, goal: str, root: Path, backup: bool = True
) -> list[Problem]:
    """Give every fault of a graph at once; an empty list means that it is sound.

    It reads the creators' dicts and not doit's tasks: doit refuses some faults at the first one.
    """
    listed = [_Node(step) for step in steps]
    nodes: dict[str, _Node] = {}
    for node in listed:
        if node.name in nodes:
            node.before += nodes[node.name].before
        nodes[node.name] = node
    made = {target for node in listed for target in node.targets}
    found = _duplicates(listed, root)
    found += [p for node in listed for p in node.problems(nodes, made, root)]
    graph = {name: node.known(nodes) for name, node in nodes.items()}
    found += _unreachable(graph, goal)
    found += _unguarded(nodes, graph, backup)
    found += _chain(nodes)
    found += _cycles(graph)
    return found


class _Node:
    """One step of the graph as its creator wrote it, however wrong that is."""

    def __init__(self, step: dict[str, Any]) -> None:
        self.step = step
        base, name = step.get("basename", "migrate"), step.get("name")
        self.name = f"{base}:{name}" if name else str(base)
        meta = step.get("meta")
        self.stage = str(meta.get("stage", "")) if isinstance(meta, Mapping) else ""
        self.setup = _names(step.get("setup"))
        self.before = [*_names(step.get("task_dep")), *self.setup, *_names(step.get("calc_dep"))]
        getargs = step.get("getargs")
        values = getargs.values() if isinstance(getargs, Mapping) else ()
        self.before += [str(v[0]) for v in values if isinstance(v, tuple | list) and v]
        self.targets = _names(step.get("targets"))

    def known(self, nodes: Mapping[str, _Node]) -> list[str]:
        """Give the steps before this one that there are, wildcards written out."""
        return [name for d in self.before for name in _matching(d, nodes)]

    def problems(self, nodes: Mapping[str, _Node], made: set[str], root: Path) -> list[Problem]:
        lost = [d for d in dict.fromkeys(self.before) if not _matching(d, nodes)]
        said = [f"depends on {d}, which no step is" for d in lost if "*" not in d]
        said += [f"depends on {d}, a wildcard that matches no step" for d in lost if "*" in d]
        for path in _names(self.step.get("file_dep")):
            if path not in made and not (root / path).exists():
                said.append(f"needs the file {path}, which no step makes and which is not there")
        for target in self.targets:
            if not (root / target).resolve().is_relative_to(root.resolve()):
                said.append(f"makes {target}, which is outside the project")
        if not self.step.get("uptodate") and not self.step.get("file_dep"):
            said.append("has no Condition, so it would always run")
        if not _is_plain(self.step.get("meta")):
            said.append("has something in `meta` that is not plain data")
        if not self.stage:
            said.append("has no stage in `meta`, so nobody knows whether it needs the lock")
        if "=" in self.name:
            said.append("has `=` in its name, which doit takes for a variable")
        else:
            said += _refused_by_doit(self.step)
        return [Problem(f"{self.name} {text}") for text in said]


def _names(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list | tuple) else []


def _matching(name: str, nodes: Mapping[str, _Node]) -> list[str]:
    if "*" in name:
        return [known for known in nodes if fnmatchcase(known, name)]
    return [name] if name in nodes else []


def _refused_by_doit(step: dict[str, Any]) -> list[str]:
    """Give what doit says of one step by itself: unknown keys, values of a wrong type."""
    from doit.exceptions import InvalidDodoFile, InvalidTask
    from doit.loader import generate_tasks

    try:
        list(generate_tasks("migrate", (one for one in [dict(step)])))
    except (InvalidDodoFile, InvalidTask) as error:
        return [f"is refused by doit: {' '.join(str(error).split())}"]
    return []


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, str | int | float | bool)


def _duplicates(nodes: Iterable[_Node], root: Path) -> list[Problem]:
    found: list[Problem] = []
    names: set[str] = set()
    makers: dict[Path, str] = {}
    for node in nodes:
        if node.name in names:
            found.append(Problem(f"{node.name} is there twice"))
        names.add(node.name)
        for target in node.targets:
            path = (root / target).resolve()
            if path in makers:
                found.append(Problem(f"{target} is made by {makers[path]} and by {node.name}"))
            makers[path] = node.name
    return found


def _cycles(given: Mapping[str, list[str]]) -> list[Problem]:
    """Report every cycle: each found one is cut at one edge, and the search goes on."""
    graph = {name: set(before) for name, before in given.items()}
    found: list[Problem] = []
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
            return found
        except graphlib.CycleError as error:
            # Each name of the cycle comes before the next one.
            cycle = error.args[1]
            found.append(Problem("cycle: " + " -> ".join(cycle)))
            graph[cycle[1]].discard(cycle[0])


def _unreachable(graph: Mapping[str, list[str]], goal: str) -> list[Problem]:
    if goal not in graph:
        return [Problem(f"there is no goal {goal}")]
    needed = closure(graph, goal)
    return [Problem(f"{n} cannot be reached from {goal}") for n in graph if n not in needed]


def _unguarded(
    nodes: Mapping[str, _Node], graph: Mapping[str, list[str]], backup: bool
) -> list[Problem]:
    """Every step that changes the database has the lock, and before it the backup, as setup."""
    wanted = {"lock": LOCK, "backup": BACKUP} if backup else {"lock": LOCK}
    found = []
    for node in nodes.values():
        # `create-history` is itself a setup step: what it needs comes before it.
        own = graph[node.name] if node.stage == "create-history" else node.setup
        for what, step in wanted.items():
            if node.stage in CHANGES and step not in own:
                found.append(Problem(f"{node.name} changes the database without the {what}"))
    if backup and BACKUP in graph and LOCK not in graph[BACKUP]:
        found.append(Problem(f"{BACKUP} is made without the lock"))
    return found


def _chain(nodes: Mapping[str, _Node]) -> list[Problem]:
    """The applies are one chain in the order of versions, the reverts one chain as well."""
    found = []
    for stage in ("apply", "revert"):
        chain = [n for n in nodes.values() if n.stage == stage]
        expected = HISTORY
        for node in chain:
            if expected not in _names(node.step.get("task_dep")):
                found.append(Problem(f"{node.name} does not come after {expected}"))
            expected = node.name
        versions = [node.name.rsplit(":", 1)[-1] for node in chain]
        numbers = [int(v) for v in versions if v.isascii() and v.isdecimal()]
        if len(numbers) < len(versions):
            found.append(Problem(f"a step of the stage {stage} does not end in a version"))
        if stage == "apply" and numbers != sorted(numbers):
            found.append(Problem("the apply steps are not in the order of their versions"))
    return found
