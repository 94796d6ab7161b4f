"""Folders of plugins: the one in the home folder, and any that is named with `--plugins-dir`.

Such a folder is a project of its own, with its own backup, state and lock in `.nself/`: plugins
are shared by projects, and none of them can put another one's plugins back.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from nself_tasks.artifacts.finding import Finding
from nself_tasks.artifacts.plugin_home import FOLDER, shared
from nself_tasks.discovery import COMPOSE_FILES, Project, is_project
from nself_tasks.errors import NselfError, UsageError
from nself_tasks.evidence import artifact_findings

HOME_SHOWN = f"~/{FOLDER}"
"""How people see the home folder's."""

_RECORDS = ("backup", "migrate", "postgres")
"""What is ours in a `.nself/`: its copies of manifests are not for upgrading."""

_ANYBODYS = stat.S_IWOTH | stat.S_ISVTX


def plugins_folder(folder: Path, *, home: Path | None = None) -> Project:
    """Give a folder of plugins, which a person has named, as a project of its own.

    Raises UsageError where it is no folder, and where its plugins are not to be upgraded alone.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.absolute() keeps `..`
    if not folder.is_dir():
        what = "is no folder" if os.path.lexists(folder) else "does not exist"
        raise UsageError(
            f"the plugins folder `{folder}` {what}",
            hint="correct `--plugins-dir`; nothing was done",
        )
    real = Path(os.path.realpath(folder))
    if why := _unsafe(real, home):
        raise UsageError(f"`{folder}` is not taken for a folder of plugins: {why[0]}", hint=why[1])
    return Project(folder, folder / "migrations", scope="plugins")


def again(project: Project) -> str:
    """Give what a command has to say to mean the same folder: a flag after a space, or nothing."""
    alone = project.scope == "plugins"
    return f" --plugins-dir {shlex.quote(str(project.root))}" if alone else ""


def _unsafe(real: Path, home: Path | None) -> tuple[str, str] | None:
    """Give why an upgrade of this folder alone would do harm, and what to do instead."""
    pairs = zip(real.parts, real.parts[1:], strict=False)
    if any(outer == ".nself" and inner in _RECORDS for outer, inner in pairs):
        return "it is inside of nself's own records", "name the folder that the plugins run from"
    if any((real / name).exists() for name in (*COMPOSE_FILES, ".env")):
        return "it is a project", f"`nself migrate run --project {real}` upgrades all of it"
    root = _owner(real)
    if root and not _is_same(root, home) and is_project(root, home):
        return (
            f"its plugins belong to the project `{root}`",
            f"`nself migrate run --project {root}` upgrades them, with a backup in the project",
        )
    if real.stat().st_mode & _ANYBODYS == _ANYBODYS:
        return "anybody may write to it", "move the plugins to a folder of your own"
    return None


def _owner(real: Path) -> Path | None:
    """Give the folder that would be the project of these plugins, were it one."""
    if real.name != "plugins":
        return None
    return real.parent.parent if real.parent.name == ".nself" else real.parent


def _is_same(folder: Path, other: Path | None) -> bool:
    return other is not None and folder == Path(os.path.realpath(other))


def home_findings(home: str | None) -> tuple[Finding, ...]:
    """Give the v1 manifests of the home folder, with paths relative to its folder of plugins.

    A home that cannot be read has none.
    """
    if not home or not Path(home).is_absolute():
        return ()
    folder = Path(home) / FOLDER
    try:
        found = artifact_findings(Project(folder, folder, scope="plugins"))
    except (OSError, NselfError):
        return ()
    return tuple(shared(found))
