"""Every kind there is: the `KIND` of each module in this folder, in the order of their names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import Literal

import nself_tasks.artifacts
from nself_tasks.artifacts.finding import Evidence, Finding, Kind, Scope


@cache
def kinds(scope: Scope = "project") -> tuple[Kind, ...]:
    """Give the kinds; a new file with a `KIND` is all that it takes to add one.

    In a folder of plugins only their kind looks, and at home it leaves the shared ones alone.
    """
    from nself_tasks.artifacts import plugin

    if scope == "plugins":
        return (plugin.ALONE,)
    if scope == "home":
        return tuple(plugin.AT_HOME if kind is plugin.KIND else kind for kind in kinds())
    package = nself_tasks.artifacts
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = (importlib.import_module(f"{package.__name__}.{name}") for name in names)
    return tuple(module.KIND for module in modules if hasattr(module, "KIND"))


def detect(evidence: Evidence) -> tuple[Finding, ...]:
    """Give what every kind finds, by path and line."""
    found = [finding for kind in kinds(evidence.scope) for finding in kind.detect(evidence)]
    found += _unread(evidence, found)
    return tuple(sorted(found, key=lambda f: (f.path, f.line or 0, f.rule)))


def _unread(evidence: Evidence, found: Sequence[Finding]) -> list[Finding]:
    """Give a finding for what could not be read, so that it never counts as not there.

    In a v2 project it is no reason to fail: `.env.secrets` is often another user's.
    """
    known = {finding.path for finding in found if finding.status == "manual"}
    in_v2 = era(found) == "v2" and PurePosixPath("docker-compose.yml") not in evidence.unread
    return [
        Finding(
            "unreadable",
            _kind_of(path),
            path,
            None,
            "manual",
            why,
            "make it a file that you can read in this project; until then nothing is upgraded",
            also_in_v2=in_v2,
        )
        for path, why in evidence.unread.items()
        if path not in known
    ]


def _kind_of(path: PurePosixPath) -> str:
    if "plugins" in path.parts:
        return "plugin"
    if path.parts[0] in ("nginx", "ssl"):
        return "nginx"
    return "env" if path.name.startswith(".env") else "compose"


def era(findings: Iterable[Finding]) -> Literal["v1", "v2"]:
    """Say which layout a project is in; v1 only where a finding says so.

    The compose file outweighs leftovers: a v2 project may still have a 0.x file lying about. A flat
    `nginx/` or an `nself.sh` says too little: projects that never were ɳSelf's have them too.
    """
    deciding = [finding for finding in findings if finding.decides_era]
    compose = [finding for finding in deciding if finding.kind == "compose"]
    return "v1" if any(finding.is_v1 for finding in compose or deciding) else "v2"
