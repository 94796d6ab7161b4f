"""Every kind there is: the `KIND` of each module in this folder, in the order of their names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from typing import Literal

import nself_tasks.artifacts
from nself_tasks.artifacts.finding import Evidence, Finding, Kind


@cache
def kinds() -> tuple[Kind, ...]:
    """Give the kinds; a new file with a `KIND` is all that it takes to add one."""
    package = nself_tasks.artifacts
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = (importlib.import_module(f"{package.__name__}.{name}") for name in names)
    return tuple(module.KIND for module in modules if hasattr(module, "KIND"))


def detect(evidence: Evidence) -> tuple[Finding, ...]:
    """Give what every kind finds, by path and line."""
    found = [finding for kind in kinds() for finding in kind.detect(evidence)]
    return tuple(sorted(found, key=lambda f: (f.path, f.line or 0, f.rule)))


def era(findings: Iterable[Finding]) -> Literal["v1", "v2"]:
    """Say which layout a project is in; v1 only where a finding says so.

    The compose file outweighs leftovers: a v2 project may still have a 0.x file lying about. A flat
    `nginx/` or an `nself.sh` says too little: projects that never were ɳSelf's have them too.
    """
    deciding = [finding for finding in findings if finding.decides_era]
    compose = [finding for finding in deciding if finding.kind == "compose"]
    return "v1" if any(finding.is_v1 for finding in compose or deciding) else "v2"
