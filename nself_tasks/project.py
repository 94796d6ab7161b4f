"""The only door to the project folder: found by `discovery`, written to by `storage`, read here."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.discovery import Project, find_project, with_migrations
from nself_tasks.errors import InputError, Problem
from nself_tasks.storage import backup_dir, ensure_private, file_lock, state_dir, write_new

__all__ = [
    "Project",
    "artifact_findings",
    "backup_dir",
    "ensure_private",
    "file_lock",
    "find_project",
    "project_era",
    "read_migration_files",
    "read_small",
    "state_dir",
    "with_migrations",
    "write_new",
]

LARGEST_SMALL_FILE = 1_000_000
"""Bytes of a file that is configuration; nself's own limit for env files."""


def read_migration_files(project: Project) -> Iterator[tuple[PurePosixPath, bytes | OSError]]:
    """Give each `.sql` file of the migrations folder, by name, its bytes or why it has none.

    Nothing below the folder itself. Raises InputError before the first one when the folder cannot
    be listed, or when it or a file is a symlink that leads out of the project.
    """
    folder = project.migrations_dir
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".sql")
    except FileNotFoundError:
        if not folder.is_symlink():
            return
        names = []
    except OSError as error:
        raise InputError(f"cannot read `{project.shown(folder)}`: {error.strerror}") from error
    links = (folder / name for name in names if (folder / name).is_symlink())
    if strays := _strays(project, [folder, *links]):
        raise InputError(
            "migrations that lie outside the project are not run",
            problems=strays,
            hint="put the files themselves there, or name their folder with `--migrations-dir`",
        )
    shown = project.shown(folder)
    for name in names:
        yield _read_migration(folder / name, shown / name)


def _read_migration(path: Path, shown: PurePosixPath) -> tuple[PurePosixPath, bytes | OSError]:
    try:
        str(shown).encode()
    except UnicodeEncodeError:
        readable = PurePosixPath(os.fsencode(shown).decode(errors="replace"))
        return readable, OSError(errno.EILSEQ, "the file name is not UTF-8")
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return shown, IsADirectoryError(errno.EISDIR, "is a folder")
        if not stat.S_ISREG(mode):
            # Opening a named pipe would wait for its writer for ever.
            return shown, OSError(errno.EINVAL, "is no regular file")
        return shown, path.read_bytes()
    except OSError as error:
        return shown, error


def _strays(project: Project, paths: list[Path]) -> list[Problem]:
    """Give those that lead out of the project; a folder that was named may lie anywhere."""
    given = project.migrations_given
    inside = project.migrations_dir if given else project.repo_root
    return [
        Problem(f"leads to `{os.path.realpath(path)}`", path=str(project.shown(path)))
        for path in paths
        if _leaves(path, inside)
    ]


def _leaves(path: Path, folder: Path) -> bool:
    """Tell whether symlinks lead out of a folder; a link to nowhere or in a circle may not."""
    # os.path, as Path.resolve() raises on a circle.
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_small(path: Path) -> str | None:
    """Give the text of a configuration file, or None where there is none (or a folder).

    Bytes that are not UTF-8 come as surrogates. Raises InputError for one that cannot be read, is
    larger than 1 MB, holds a NUL byte or is no file (a pipe could block for ever).
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return None
        if not stat.S_ISREG(mode):
            raise InputError(f"`{path}` is no regular file")
        with path.open("rb") as file:
            raw = file.read(LARGEST_SMALL_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"cannot read `{path}`: {error.strerror}") from error
    if len(raw) > LARGEST_SMALL_FILE:
        raise InputError(f"`{path}` is larger than 1 MB, no configuration file is")
    if b"\0" in raw:
        raise InputError(f"`{path}` holds a NUL byte", hint="save it as UTF-8 text")
    return raw.decode("utf-8", "surrogateescape")


def artifact_findings(project: Project) -> tuple[Finding, ...]:
    """Give what the artifact kinds find in the project; reads only the files they ask for."""
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    texts: dict[PurePosixPath, str | None] = {}
    for kind in registry.kinds():
        for pattern in (*kind.lists, *kind.reads):
            for path in project.root.glob(pattern):
                relative = PurePosixPath(path.relative_to(project.root))
                (folders if path.is_dir() else files).add(relative)
                if pattern in kind.reads and relative not in texts:
                    texts[relative] = _read_artifact(project, path)
    readable = {path: text for path, text in texts.items() if text is not None}
    return registry.detect(Evidence(frozenset(files), frozenset(folders), readable))


def _read_artifact(project: Project, path: Path) -> str | None:
    """Give an artifact's text; what cannot be one, or lies outside of the project, is not read."""
    try:
        return None if _leaves(path, project.repo_root) else read_small(path)
    except InputError:
        return None


def project_era(project: Project) -> Literal["v1", "v2"]:
    """Say which layout the project is in: v1 only where a finding proves it."""
    return registry.era(artifact_findings(project))
