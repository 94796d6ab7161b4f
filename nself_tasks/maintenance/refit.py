"""Writes our file anew for files that an upgrade, or its rollback, has changed under it.

It repeats certificates' paths and names, and a container that starts on the new files would refuse
the old ones.
"""

from __future__ import annotations

from collections.abc import Callable

from nself_tasks.discovery import Project
from nself_tasks.errors import NselfError
from nself_tasks.maintenance import place
from nself_tasks.maintenance.snippet import NAME


def refit(
    project: Project, lookup: Callable[[str], str | None], notice: Callable[[str, str], None]
) -> None:
    """Write the file anew where there is one; what stands against that is a warning."""
    try:
        path = place.found(project)
        if path is None:
            return
        from nself_tasks.maintenance.blocks import blocks_of
        from nself_tasks.maintenance.layout import read_layout
        from nself_tasks.maintenance.snippet import render, wanted_of
        from nself_tasks.project import read_small

        layout, before = read_layout(project, lookup), read_small(path) or ""
        text = render(blocks_of(layout.servers), wanted_of(before))
        if path.parent != layout.folder:
            place.remove(project, path)
        if text != before or path.parent != layout.folder:
            place.write(project, layout.folder / NAME, text)
            notice("note", "the maintenance page was written anew for these files of nginx")
    except NselfError as error:
        notice(
            "warning",
            f"the maintenance page does not fit the new files of nginx: {error.message};"
            " `nself maintenance disable` before nginx starts again",
        )
