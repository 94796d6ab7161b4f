"""Plugins in the home folder: every project shares them, so no project's upgrade touches them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nself_tasks.artifacts.finding import Finding
from nself_tasks.artifacts.plugin import CONVERTED, UNMAPPED

FOLDER = ".nself/plugins"
"""Where both CLIs install plugins, seen from the home folder."""

_SHARED = "in your home folder, shared by all projects"
_ACTIONS = {
    CONVERTED: f"{_SHARED}; upgrade them with `nself migrate run --plugins-dir ~/{FOLDER}`",
    UNMAPPED: f"{_SHARED}; convert it by hand",
}


def shared(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Give the v1 manifests among what a folder of plugins holds, each as something to keep."""
    for found in findings:
        if action := _ACTIONS.get(found.rule):
            yield replace(
                found,
                rule="plugin-home",
                status="keep",
                action=action,
                decides_era=False,
                changes=(),
            )
