"""`nself migrate doit …`: doit's own commands on the graph, with its conditions and guards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks.model import Report
from nself_tasks.pipeline import passthrough

if TYPE_CHECKING:
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


def doit(settings: Settings, arguments: list[str], *, terminal: Terminal) -> Report:
    """Run one of doit's commands; doit's exit codes become ours (its 3 is our 2)."""
    code = passthrough.run(settings, arguments, notice=terminal.notice)
    return Report("doit", code, {})
