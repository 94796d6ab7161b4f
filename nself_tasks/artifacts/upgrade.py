"""The changes of all findings together: what each file of the project becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.rewriting.edits import Edit, apply


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What one file becomes."""

    path: PurePosixPath
    text: str | None
    """None: the file is moved away into the backup, or `moved_from` has its bytes."""
    mode: int | None = None
    """Permission bits that it must have; None keeps them as they are."""
    moved_from: PurePosixPath | None = None
    """The file in whose place it comes: its mode, and its bytes where there is no text."""
    private_as: tuple[PurePosixPath, ...] = ()
    """Files that it must be as private as."""


def upgraded(evidence: Evidence, findings: Iterable[Finding]) -> Mapping[PurePosixPath, Upgraded]:
    """Give the files that the findings' changes touch. ValueError where two changes overlap."""
    edits: dict[PurePosixPath, list[Edit]] = {}
    modes: dict[PurePosixPath, int | None] = {}
    moved: set[PurePosixPath] = set()
    sources: dict[PurePosixPath, PurePosixPath] = {}
    private: dict[PurePosixPath, tuple[PurePosixPath, ...]] = {}
    for change in (change for finding in findings for change in finding.changes):
        private[change.path] = private.get(change.path, ()) + change.private_as
        edits.setdefault(change.path, []).extend(change.edits)
        modes[change.path] = change.mode if change.mode is not None else modes.get(change.path)
        if change.moved_away:
            moved.add(change.path)
        if change.moved_from:
            sources[change.path] = change.moved_from
    return {
        path: Upgraded(
            path,
            None
            if path in moved or (path in sources and not wanted)
            else apply(evidence.text(str(path)) or "", wanted),
            modes[path],
            sources.get(path),
            private[path],
        )
        for path, wanted in edits.items()
    }
