"""Says before an upgrade in prod that visitors will see it: the site is not in maintenance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks.errors import NselfError
from nself_tasks.pipeline.guards import strictest

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

_PROD = 2
SECONDS = 1.0
"""How long a host may take: this question must not hold a run up."""
_HINT = "`nself maintenance enable` answers its visitors with 503 meanwhile"


def say_unless_in_maintenance(context: Context) -> None:
    """Ask the site where this run changes something in prod, and say what it answered."""
    changes = bool(context.pending) or not context.upgrade.is_empty
    if context.goal != "run" or not changes or strictest(context).strictness < _PROD:
        return
    from nself_tasks.commands.maintenance import layout_of
    from nself_tasks.maintenance import site

    try:
        answers = site.ask(site.hosts_of(layout_of(context.settings)), SECONDS)
    except NselfError:
        # No nginx of this project's: there is nothing to put into maintenance.
        return
    state = site.state_of(answers)
    if state == "maintenance":
        return
    if state in ("serving", "mixed"):
        said = "the site" if state == "serving" else "a part of the site"
        context.notice("note", f"{said} is not in maintenance: {_HINT}")
        return
    context.notice(
        "note", f"the site does not say here whether it is in maintenance; if it runs, {_HINT}"
    )
