"""What `enable` and `disable` end with: nginx has read its files, or why not; and the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import NselfError
from nself_tasks.maintenance import place, site
from nself_tasks.maintenance.snippet import wanted_of
from nself_tasks.model import Report
from nself_tasks.project import read_small
from nself_tasks.reporting.document import error_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from nself_tasks.maintenance.layout import Layout
    from nself_tasks.maintenance.stack import Stack
    from nself_tasks.settings import Settings

_SEE = "`nself maintenance status` shows which host answers what"


def reloaded(
    settings: Settings,
    goal: str,
    stack: Stack,
    layout: Layout | None,
    undo: Callable[[], None],
    *,
    changed: bool,
    edition: str | None = None,
) -> Report:
    """Have nginx check and read its files, then be what `edition` says; give what came of it."""
    wanted: site.State = "maintenance" if goal == "enable" else "serving"
    facts: dict[str, Any] = {"changed": changed, "reloaded": False}
    error, state = None, ""
    if why := stack.why_silent():
        error = NselfError(f"nginx was not told: {why}", hint=_by_hand(stack, goal))
        state = _left(goal)
    elif said := stack.objections():
        undo()
        facts["changed"] = False
        error = NselfError("nginx refuses its files", detail=said, hint=_after_refusal(goal))
        state = "The files are as they were, and nginx was not told to read them."
    elif why := stack.reload():
        error = NselfError(f"nginx did not read its files again: {why}", hint=_by_hand(stack, goal))
        state = _left(goal)
    else:
        facts["reloaded"] = True
    hosts = site.hosts_of(layout) if layout else ()
    ask = partial(site.ask, hosts)
    answers = site.wait_for(edition, ask) if facts["reloaded"] else ask()
    data = {**data_of(settings, goal, answers, layout), **facts}
    if facts["reloaded"] and data["site"] not in (wanted, "no-answer", "unpublished"):
        error = NselfError("nginx read its files again, and the site answers as before", hint=_SEE)
        state = _left(goal).partition(";")[0] + "."
    if error is None:
        return Report("maintenance", 0, data)
    return Report("maintenance", 1, {**data, "state": state}, error=error_object(error))


def _by_hand(stack: Stack, goal: str) -> str:
    check, reload = stack.commands
    return f"`{check} && {reload}` where the stack runs, or `nself maintenance {goal}` again there"


def _left(goal: str) -> str:
    done = "in place" if goal == "enable" else "taken away"
    return f"The file is {done}; nginx goes on as before until it reads its files again."


def _after_refusal(goal: str) -> str:
    return f"mend what nginx names, then run `nself maintenance {goal}` again"


def data_of(
    settings: Settings,
    goal: str,
    answers: tuple[site.Answer, ...],
    layout: Layout | None = None,
) -> dict[str, Any]:
    """Give the file and the site as they are now."""
    path = place.found(settings.project, layout.folder if layout else None)
    text = read_small(path) if path else None
    wanted = wanted_of(text) if text else None
    return {
        "goal": goal,
        "site": site.state_of(answers),
        "file": "present" if path else "absent",
        "path": str(settings.project.shown(path)) if path else None,
        "retry_after": wanted.retry_after if wanted else None,
        "message": wanted.message if wanted else None,
        "since": wanted.since if wanted else None,
        "hosts": [
            {
                "host": answer.host.name,
                "url": answer.host.url,
                "maintenance": answer.is_maintenance,
                "status": answer.status,
                "why": answer.why,
            }
            for answer in answers
        ],
    }
