"""`nself maintenance`: 503 for every request, and what the site itself says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_tasks.commands.maintenance_report import data_of, reloaded
from nself_tasks.errors import NselfError
from nself_tasks.file_lock import file_lock
from nself_tasks.maintenance import place, site
from nself_tasks.maintenance.blocks import blocks_of
from nself_tasks.maintenance.layout import Layout, read_layout
from nself_tasks.maintenance.snippet import NAME, Wanted, render, wanted_of
from nself_tasks.maintenance.stack import stack_of
from nself_tasks.model import Report
from nself_tasks.project import read_small
from nself_tasks.reporting.document import error_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from nself_tasks.settings import Settings

    Notice = Callable[[str, str], None]


def layout_of(settings: Settings) -> Layout:
    """Give nginx's tree with the variables of the environment. Raises GuardError, InputError."""
    values = settings.cascade.values
    return read_layout(settings.project, lambda n: settings.environ.get(n) or values.get(n))


def enable(settings: Settings, wanted: Wanted, *, lock_wait: float, notice: Notice) -> Report:
    """Put our file in place and have nginx read it.

    Exit 1 where nginx could not be told, with the file in place, or where it refused, without.
    Raises GuardError, InputError, LockNotAcquired.
    """
    project = settings.project
    with file_lock(project, lock_wait, notice=notice):
        layout = layout_of(settings)
        stack = stack_of(settings)
        old = place.found(project, layout.folder)
        before = read_small(old) if old else None
        wanted = replace(wanted, since=_since(before, wanted))
        path, text = layout.folder / NAME, render(blocks_of(layout.servers), wanted)
        if old and old != path:
            # The folder that nginx reads first is another one than it was.
            place.remove(project, old)
        if text != before or old != path:
            place.write(project, path, text)
        undo = partial(_put, project, path, before)
        changed, edition = text != before, wanted.edition
        return reloaded(settings, "enable", stack, layout, undo, changed=changed, edition=edition)


def disable(settings: Settings, *, lock_wait: float, notice: Notice) -> Report:
    """Take our file away and have nginx read its files again; the exits are those of `enable`."""
    project = settings.project
    with file_lock(project, lock_wait, notice=notice):
        layout = _layout_if_any(settings, notice)
        path = place.found(project, layout.folder if layout else None)
        stack = stack_of(settings)
        if path is None:
            if layout is not None:
                # Of a run that was killed between the two.
                place.sweep(layout.folder)
            answers = site.ask(site.hosts_of(layout)) if layout else ()
            if site.state_of(answers) not in ("maintenance", "mixed"):
                data = data_of(settings, "disable", answers)
                return Report("maintenance", 0, {**data, "changed": False, "reloaded": False})
            return reloaded(settings, "disable", stack, layout, lambda: None, changed=False)
        before = read_small(path)
        place.remove(project, path)
        undo = partial(_put, project, path, before)
        return reloaded(settings, "disable", stack, layout, undo, changed=True)


def status(settings: Settings) -> Report:
    """Say what the site answers and whether the file agrees; exit 1 where nothing answered.

    Raises GuardError, InputError.
    """
    layout = layout_of(settings)
    data = data_of(settings, "status", site.ask(site.hosts_of(layout)), layout)
    if data["site"] not in ("no-answer", "unpublished"):
        return Report("maintenance", 0, data)
    why = (
        "none of its ports is published on this machine"
        if data["site"] == "unpublished"
        else f"{data['hosts'][0]['url']}: {data['hosts'][0]['why']}"
    )
    lies = "lies" if data["file"] == "present" else "does not lie"
    error = NselfError(
        f"the site does not answer: {why}",
        hint=f"the file {lies} in `nginx/`; ask again on the machine where nginx runs",
    )
    return Report("maintenance", 1, data, error=error_object(error))


def _since(before: str | None, wanted: Wanted) -> str:
    """Keep the time of a maintenance that goes on."""
    known = wanted_of(before) if before else Wanted()
    return known.since or datetime.now(UTC).isoformat(timespec="seconds")


def _layout_if_any(settings: Settings, notice: Notice) -> Layout | None:
    """Give the tree; a file that nobody can read is no reason to stay in maintenance."""
    try:
        return layout_of(settings)
    except NselfError as error:
        notice("warning", f"the site cannot be asked: {error.message}")
        return None


def _put(project: Any, path: Path, text: str | None) -> None:
    if text is None:
        place.remove(project, path)
    else:
        place.write(project, path, text)
