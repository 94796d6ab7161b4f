"""The other compose files: those that Compose merges over the first one, and those it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from nself_tasks.artifacts.compose_covered import covered, of_the_file, tagged
from nself_tasks.artifacts.finding import Evidence, Finding, Status
from nself_tasks.errors import Problem
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.yaml_spans import Node
from nself_tasks.rewriting.yaml_values import plain

OVERRIDES = ("docker-compose.override.yml", "docker-compose.override.yaml")
CUSTOM = "docker-compose.custom.yml"
"""v1 merged it by itself, v2 and plain Compose do not."""
_LEFT = "left alone"


def merged_files(evidence: Evidence, root: Node, *, in_v2: bool = False) -> Iterator[Finding]:
    """Give a finding for each other compose file beside one that is ɳSelf's.

    Beside a v2 file an override may cover values because somebody wants that: it is no sign of v1.
    """
    for path in OVERRIDES:
        if (text := evidence.text(path)) is not None:
            found = _override(path, text, root)
            yield replace(found, also_in_v2=in_v2 and found.rule == "compose-override")
    if (text := evidence.text(CUSTOM)) is not None:
        yield _custom(text)
    known = {PurePosixPath(path) for path in ("docker-compose.yml", *OVERRIDES, CUSTOM)}
    for path_ in sorted(evidence.files - known):
        if path_.match("docker-compose.*.yml") and len(path_.parts) == 1:
            message = "written by hand; Compose reads it only where a command names it"
            yield _finding("compose-by-name", str(path_), None, "keep", message, _LEFT)


def _override(path: str, text: str, first: Node) -> Finding:
    root = yaml_spans.read(text)
    if isinstance(root, Problem):
        return _unreadable(path, root)
    over, base = _services(root), _services(first)
    nodes = root.get("services") if root else None
    hidden = {
        service: keys
        for service in over
        if (keys := _hidden(text, nodes.get(service) if nodes else None, base.get(service)))
    }
    whole = list(of_the_file(root, first)) if root else []
    if not hidden and not whole:
        message = "Compose merges it, and it only adds to `docker-compose.yml`"
        return _finding("compose-override", path, None, "keep", message, _LEFT)
    each = (f"{', '.join(keys)} of {service}" for service, keys in hidden.items())
    return _finding(
        "compose-override",
        path,
        _line(root, next(iter(hidden))) if hidden else None,
        "manual",
        "Compose merges it over `docker-compose.yml` and puts its own values on top: "
        + "; ".join([*each, *whole]),
        "delete what is not wanted any more; it is left as it is",
    )


def _hidden(text: str, over: Node | None, base: Any) -> list[str]:
    return list(dict.fromkeys([*covered(plain(over), base), *tagged(text, over, base)]))


def _custom(text: str) -> Finding:
    root = yaml_spans.read(text)
    if isinstance(root, Problem):
        return _unreadable(CUSTOM, root)
    names = ", ".join(_services(root))
    if not names:
        return _finding("compose-custom", CUSTOM, None, "keep", "has no services", _LEFT)
    return _finding(
        "compose-custom",
        CUSTOM,
        None,
        "manual",
        f"v1 merged it, v2 does not: {names}",
        "rename it to `docker-compose.override.yml` if it is still wanted",
    )


def _services(root: Node | None) -> dict[str, Any]:
    data = plain(root)
    found = data.get("services") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _line(root: Node | None, service: str) -> int | None:
    table = root.get("services") if root else None
    key = table.key(service) if table else None
    return key.line if key else None


def _unreadable(path: str, problem: Problem) -> Finding:
    message = f"Compose merges it, and it cannot be read: {problem.message}"
    return _finding("compose-unreadable", path, problem.line, "manual", message, "repair it")


def _finding(
    rule: str, path: str, line: int | None, status: Status, message: str, action: str
) -> Finding:
    return Finding(rule, "compose", PurePosixPath(path), line, status, message, action)
