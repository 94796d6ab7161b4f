"""`generate`: a new pair of migration files, named, timestamped, never over anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks.errors import UsageError
from nself_tasks.migrations.directory import file_names, slug
from nself_tasks.model import Report
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
    folder = settings.project.migrations_dir
    folder.mkdir(parents=True, exist_ok=True)
    up, down = _free(folder, now(), slug(words))
    write_new(down, _DOWN.format(description=words).encode())
    try:
        write_new(up, _UP.format(description=words).encode())
    except BaseException:
        down.unlink(missing_ok=True)
        raise
    shown = [str(settings.project.shown(p)) for p in (up, down)]
    return Report("generate", 0, {"created": shown, "migration_version": up.name.split("_", 1)[0]})


def _free(folder: Path, moment: datetime, name: str) -> tuple[Path, Path]:
    """Give paths of a version that nobody has: two in one second are a second apart."""
    taken = {int(p.name.split("_", 1)[0]) for p in folder.glob("[0-9]*_*.sql") if _digits(p)}
    while int(moment.strftime("%Y%m%d%H%M%S")) in taken:
        moment += timedelta(seconds=1)
    up, down = file_names(moment.strftime("%Y%m%d%H%M%S"), name)
    return folder / up, folder / down


def _digits(path: Path) -> bool:
    return path.name.split("_", 1)[0].isdecimal()
