"""The door to the project folder: found by `discovery`, written to by `storage`, read here.

What the artifact kinds ask for is read by `evidence`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nself_tasks.discovery import Project, find_project, with_migrations
from nself_tasks.errors import InputError, Problem
from nself_tasks.file_lock import file_lock
from nself_tasks.storage import backup_dir, ensure_private, state_dir, write_new

__all__ = [
    "Project",
    "backup_dir",
    "ensure_private",
    "file_lock",
    "find_project",
    "read_committed",
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
    if project.scope == "plugins":
        return
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
        if leaves(path, inside)
    ]


def leaves(path: Path, folder: Path) -> bool:
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


def read_committed(project: Project, name: str) -> tuple[PurePosixPath, str] | None:
    """Give the path, as people see it, and text of a file in the project's or repository's root.

    None where there is none. Raises InputError for one that is in both places, or is no text of at
    most 1 MB inside of the project.
    """
    folders = dict.fromkeys((project.root, project.repo_root))
    found = [folder / name for folder in folders if os.path.lexists(folder / name)]
    if len(found) > 1:
        both = " and ".join(f"`{project.shown(path)}`" for path in found)
        raise InputError(f"there are two: {both}", hint="keep one of them")
    if not found:
        return None
    path, shown = found[0], project.shown(found[0])
    if strays := _strays(project, [path]):
        raise InputError(f"`{shown}` leads out of the project", problems=strays)
    text = read_small(path)
    if text is None:
        what = "is a folder" if path.is_dir() else "leads to nothing"
        raise InputError(f"`{shown}` {what}", hint="put the file itself there, or remove this")
    return shown, text
