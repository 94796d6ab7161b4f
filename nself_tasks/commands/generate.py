"""`generate`: a new pair of migration files, named, timestamped, never over anything."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import InputError, UsageError
from nself_tasks.migrations.directory import file_names, slug
from nself_tasks.model import Report
from nself_tasks.project import leaves
from nself_tasks.storage import write_new

if TYPE_CHECKING:
    from collections.abc import Callable

    from nself_tasks.settings import Settings

_UP = "-- {description}\n\n"
_DOWN = "-- Undoes: {description}\n\n"


def generate(
    settings: Settings,
    description: str,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Report:
    """Create an empty pair of files in the migrations folder. Raises UsageError, OSError."""
    words = " ".join(description.split())
    if not words:
        raise UsageError(
            "the description is empty", hint='say what changes: `generate "add orders table"`'
        )
    up, down = _UP.format(description=words), _DOWN.format(description=words)
    paths = write_pair(settings, slug(words), up, down, now())
    return Report("generate", 0, created(settings, paths))


def write_pair(
    settings: Settings, name: str, up_text: str, down_text: str, moment: datetime
) -> tuple[Path, Path]:
    """Write both files or none, under a version that nobody has. Raises InputError, OSError."""
    require_own_folder(settings)
    folder = settings.project.migrations_dir
    folder.mkdir(parents=True, exist_ok=True)
    up, down = _free(folder, moment, name)
    begun: list[Path] = []
    try:
        for path, text in ((down, down_text), (up, up_text)):
            begun.append(path)
            write_new(path, text.encode())
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            # It could not be written: what is there under its name is somebody else's.
            begun.pop()
        for path in begun:
            path.unlink(missing_ok=True)
        raise
    return up, down


def require_own_folder(settings: Settings) -> None:
    """Raise InputError where new files would land outside of the project."""
    folder = settings.project.migrations_dir
    if not settings.project.migrations_given and leaves(folder, settings.project.repo_root):
        raise InputError(
            f"`{settings.project.shown(folder)}` leads out of the project, to"
            f" `{os.path.realpath(folder)}`: nothing is written there",
            hint="put the folder itself there, or name it with `--migrations-dir`",
        )


def created(settings: Settings, paths: tuple[Path, Path]) -> dict[str, Any]:
    """Give what a report says of the new files."""
    shown = [str(settings.project.shown(path)) for path in paths]
    return {"created": shown, "migration_version": paths[0].name.split("_", 1)[0]}


def _free(folder: Path, moment: datetime, name: str) -> tuple[Path, Path]:
    """Give paths of a version that nobody has: two in one second are a second apart."""
    taken = {int(p.name.split("_", 1)[0]) for p in folder.glob("[0-9]*_*.sql") if _digits(p)}
    while int(moment.strftime("%Y%m%d%H%M%S")) in taken:
        moment += timedelta(seconds=1)
    up, down = file_names(moment.strftime("%Y%m%d%H%M%S"), name)
    return folder / up, folder / down


def _digits(path: Path) -> bool:
    return path.name.split("_", 1)[0].isdecimal()
