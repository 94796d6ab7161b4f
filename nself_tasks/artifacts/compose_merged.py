"""The other compose files: those that Compose merges over the first one, and those it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

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
    base = _services(root)
    for path in OVERRIDES:
        if (text := evidence.text(path)) is not None:
            found = _override(path, text, base)
            yield replace(found, also_in_v2=in_v2 and found.rule == "compose-override")
    if (text := evidence.text(CUSTOM)) is not None:
        yield _custom(text)
    known = {PurePosixPath(path) for path in ("docker-compose.yml", *OVERRIDES, CUSTOM)}
    for path_ in sorted(evidence.files - known):
        if path_.match("docker-compose.*.yml") and len(path_.parts) == 1:
            message = "written by hand; Compose reads it only where a command names it"
            yield _finding("compose-by-name", str(path_), None, "keep", message, _LEFT)


def _override(path: str, text: str, base: Mapping[str, Any]) -> Finding:
    root = yaml_spans.read(text)
    if isinstance(root, Problem):
        return _unreadable(path, root)
    over = _services(root)
    hidden = {
        service: keys
        for service in over
        if (keys := list(_hidden(over[service], base.get(service))))
    }
    if not hidden:
        message = "Compose merges it, and it only adds to `docker-compose.yml`"
        return _finding("compose-override", path, None, "keep", message, _LEFT)
    listed = "; ".join(f"{', '.join(keys)} of {service}" for service, keys in hidden.items())
    return _finding(
        "compose-override",
        path,
        _line(root, next(iter(hidden))),
        "manual",
        f"Compose merges it over `docker-compose.yml` and puts its own values on top: {listed}",
        "delete what is not wanted any more; it is left as it is",
    )


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


def _hidden(over: Any, base: Any) -> Iterator[str]:
    """Give the settings of one service that cover the first file's; what only adds does not."""
    if not isinstance(over, dict) or not isinstance(base, dict):
        return
    for key, value in over.items():
        below = base.get(key)
        if below is None or below == value:
            continue
        if key == "environment":
            mine, theirs = _environment(value), _environment(below)
            yield from (k for k in mine if k in theirs and mine[k] != theirs[k])
        elif isinstance(value, str | int | float | bool) or key in ("command", "entrypoint"):
            yield key
        elif key == "volumes":
            targets = {_target(item): item for item in below if isinstance(item, str)}
            items = [i for i in value if isinstance(i, str)] if isinstance(value, list) else []
            if any(targets.get(_target(item), item) != item for item in items):
                yield key


def _environment(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {key: str(item) for key, item in value.items()}
    items = value if isinstance(value, list) else []
    return {name: rest for name, _, rest in (str(item).partition("=") for item in items)}


def _target(mount: str) -> str:
    return mount.split(":")[1] if ":" in mount else mount


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
