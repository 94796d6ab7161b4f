"""Says what an upgrade changes beside the form of the files: what containers get otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

_RULES = ("compose-values", "compose-env-file", "env-process")


def say_other_values(context: Context) -> None:
    """Name each value that a container gets otherwise: a person has to look at it."""
    if context.goal != "run" or context.upgrade.is_empty:
        return
    for found in context.upgrade.findings:
        if found.rule in _RULES:
            context.notice("warning", f"{found.path}: {found.message}; {found.action}")
