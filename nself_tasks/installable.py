"""Whether every file of an upgrade can be put in place at all, asked before the first one is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from nself_tasks.discovery import Project
from nself_tasks.errors import GuardError, Problem
from nself_tasks.installation import is_installed, real_path
from nself_tasks.intent import Entry

_MOUNTS = Path("/proc/self/mountinfo")


def require_installable(project: Project, entries: Iterable[Entry]) -> None:
    """Raise GuardError naming every file that could not be replaced, before one is."""
    mounts, entries = _mounts(), tuple(entries)
    problems = list(_shared(project, entries))
    problems += [
        Problem(why, entry.path)
        for entry in entries
        if not is_installed(project, entry)
        for why in _obstacles(real_path(project, entry.path), mounts)
    ]
    if problems:
        raise GuardError(
            f"{len(problems)} file{'s' if len(problems) > 1 else ''} could not be put in place",
            problems=problems,
            hint="mend that, then run again; nothing was changed",
            database="unchanged",
        )


def _shared(project: Project, entries: Iterable[Entry]) -> Iterator[Problem]:
    """Find names that lead to one file: two new texts for it cannot both be right."""
    names: dict[Path, str] = {}
    for entry in entries:
        first = names.setdefault(Path(os.path.realpath(project.root / entry.path)), entry.path)
        if first != entry.path:
            yield Problem(f"is the same file as `{first}`: make them two", entry.path)


def _obstacles(path: Path, mounts: frozenset[str]) -> Iterator[str]:
    if str(path) in mounts:
        # A rename onto a mount point fails with EBUSY, however often it is tried.
        yield "something is mounted on it"
        return
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        yield f"`{folder}` is no folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield f"its folder `{folder}` cannot be written to"


def _mounts() -> frozenset[str]:
    """Give the places where something is mounted; none where the system does not say."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    # Spaces and the like are written as octal numbers.
    return frozenset(line.split()[4].encode().decode("unicode_escape") for line in lines)
