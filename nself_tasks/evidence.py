"""Reads what the artifact kinds ask to see of a project, and keeps why a file could not be read.

A file that cannot be read is not a file that is not there: an upgrade that took it for that would
leave it in v1 beside others in v2.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from nself_tasks import gitignore
from nself_tasks.artifacts.env_files import LOCAL, SECRETS
from nself_tasks.artifacts.env_findings import GITIGNORE
from nself_tasks.artifacts.era import era
from nself_tasks.artifacts.finding import Evidence, Finding, Kind
from nself_tasks.discovery import Project
from nself_tasks.errors import InputError
from nself_tasks.maintenance.snippet import NAME as MAINTENANCE_FILE
from nself_tasks.project import leaves, read_small

_OUTSIDE = "it leads out of the project"


def artifact_evidence(project: Project) -> Evidence:
    """Give what the artifact kinds asked to see of the project; reads only those files."""
    from nself_tasks.artifacts import registry

    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    texts: dict[PurePosixPath, str] = {}
    kinds = registry.kinds(project.scope)
    unread = dict(_closed(project, {pattern for kind in kinds for pattern in kind.reads}))
    for kind in kinds:
        for pattern in (*kind.lists, *kind.reads):
            for path in project.root.glob(pattern):
                if path.name == MAINTENANCE_FILE:
                    continue
                relative = PurePosixPath(path.relative_to(project.root))
                (folders if path.is_dir() else files).add(relative)
                if pattern not in kind.reads or relative in texts or relative in unread:
                    continue
                text, why = _read(project, path)
                if text is not None:
                    texts[relative] = text
                elif why and not unread.keys() & set(relative.parents):
                    unread[relative] = why
    _follow(project, kinds, texts, unread)
    exposed = gitignore.picked_up(project.root, (SECRETS, LOCAL))
    if exposed and os.path.lexists(project.root / GITIGNORE):
        files.add(PurePosixPath(GITIGNORE))
        if (ignored := _read(project, project.root / GITIGNORE)[0]) is not None:
            texts[PurePosixPath(GITIGNORE)] = ignored
    listed = frozenset(files) | texts.keys()
    return Evidence(listed, frozenset(folders), texts, project.scope, unread, exposed)


def _follow(
    project: Project,
    kinds: Iterable[Kind],
    texts: dict[PurePosixPath, str],
    unread: dict[PurePosixPath, str],
) -> None:
    """Read what the texts lead to; one that is not there is their reader's to miss."""
    waiting = list(texts.items())
    for path, text in waiting:
        for kind in kinds:
            for named in kind.follows(path, text) if kind.follows else ():
                if named in texts or named in unread:
                    continue
                found, why = _read(project, project.root / named)
                if found is not None:
                    texts[named] = found
                    waiting.append((named, found))
                elif why:
                    unread[named] = why


def artifact_findings(project: Project) -> tuple[Finding, ...]:
    """Give what the artifact kinds find in the project."""
    from nself_tasks.artifacts import registry

    return registry.detect(artifact_evidence(project))


def project_era(project: Project) -> Literal["v1", "v2"]:
    """Say which layout the project is in: v1 only where a file proves it."""
    return era(lambda path: _read(project, project.root / path)[0])


def _closed(project: Project, patterns: Iterable[str]) -> Iterator[tuple[PurePosixPath, str]]:
    """Give the folders that a pattern names and whose files nobody here can list."""
    named = {parent for pattern in patterns for parent in PurePosixPath(pattern).parents}
    closed: set[PurePosixPath] = set()
    for folder in sorted(named - {PurePosixPath(".")}):
        path = project.root / folder
        if "*" in str(folder) or closed & set(folder.parents) or not path.is_dir():
            continue
        if leaves(path, project.repo_root):
            closed.add(folder)
            yield folder, _OUTSIDE
        elif not os.access(path, os.R_OK | os.X_OK):
            closed.add(folder)
            yield folder, "its files cannot be listed (Permission denied)"


def _read(project: Project, path: Path) -> tuple[str | None, str | None]:
    """Give an artifact's text, or why there is none; neither where there is no file."""
    if leaves(path, project.repo_root):
        return None, _OUTSIDE
    try:
        return read_small(path), None
    except InputError as error:
        return None, _reason(error)


def _reason(error: InputError) -> str:
    cause = error.__cause__
    if isinstance(cause, OSError):
        return f"it cannot be read ({cause.strerror})"
    return "it " + error.message.partition("` ")[2]
