"""A copy of what a build reads of the project, in a temporary folder that only we can look into."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from nself_tasks.discovery import Project

LARGEST_FILE = 1_000_000
"""Bytes; what is larger is data, no configuration."""
MOST_FILES = 20_000
"""More than that is no project's configuration, and copying them would take minutes."""

_SKIPPED = frozenset({".git", "node_modules", "volumes", ".volumes", "__pycache__", ".venv"})
_OUR_STATE = tuple(PurePosixPath(f".nself/{name}") for name in ("postgres", "backup", "migrate"))
_OF_A_DATABASE = "PG_VERSION"
"""Stands in every data folder of Postgres, which may be mounted from the project."""


@contextmanager
def private_folder(outside: Path | None = None) -> Iterator[Path]:
    """Make a temporary folder of mode 0700, not inside of `outside`; it is gone at the end."""
    places = [tempfile.gettempdir(), "/tmp", "/var/tmp"]
    inner = os.path.realpath(outside) if outside else None
    usable = [
        p for p in places if inner is None or not Path(os.path.realpath(p)).is_relative_to(inner)
    ]
    folder = Path(tempfile.mkdtemp(prefix="nself-build-", dir=usable[0])).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy_project(project: Project, into: Path) -> Path:
    """Copy what a build reads and give the copy's root, which has the project's own name.

    Left out: volumes, `node_modules`, `.git`, database folders, what is ours in `.nself/`, files
    over 1 MB, what cannot be read, and links that leave the project. Raises OSError where the copy
    cannot be written, ValueError where there are too many files.
    """
    target = into / project.root.name
    count = 0
    for folder, folders, names in os.walk(project.root):
        here = Path(folder)
        if _OF_A_DATABASE in names:
            folders.clear()
            continue
        place = target / here.relative_to(project.root)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in list(folders):
            if _is_left_out(project, here / name) or (here / name).is_symlink():
                folders.remove(name)
                _link_folder(project, here / name, place / name)
        count += len(names)
        if count > MOST_FILES:
            raise ValueError(f"the project has more than {MOST_FILES} files")
        for name in names:
            _copy_file(project, here / name, place / name)
    return target


def _is_left_out(project: Project, folder: Path) -> bool:
    inside = PurePosixPath(folder.relative_to(project.root))
    return folder.name in _SKIPPED or inside in _OUR_STATE


def _link_folder(project: Project, source: Path, target: Path) -> None:
    """Make the same link in the copy; an absolute one would lead the build into the project."""
    real, root = Path(os.path.realpath(source)), Path(os.path.realpath(project.root))
    if source.is_symlink() and real.is_relative_to(root) and not _is_left_out(project, source):
        copied = Path(
            os.path.relpath(real.relative_to(root), source.parent.relative_to(project.root))
        )
        target.symlink_to(copied)


def _copy_file(project: Project, source: Path, target: Path) -> None:
    real = Path(os.path.realpath(source))
    try:
        found = real.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_FILE:
            return
        if not real.is_relative_to(os.path.realpath(project.repo_root)):
            return
        data = real.read_bytes()
    except OSError:
        return
    target.write_bytes(data)
    target.chmod(stat.S_IMODE(found.st_mode) | 0o600)
