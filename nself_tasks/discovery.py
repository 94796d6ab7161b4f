"""Finds the project that a command is about, and says which of its folders is which.

shop/                      repository root: paths are shown relative to it
  backend/                 project root: compose file and env files
    migrations/            migrations folder, shown as `backend/migrations/…`
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from nself_tasks.artifacts.finding import Scope
from nself_tasks.errors import UsageError

COMPOSE_FILES = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
_Test = Callable[[Path, "Path | None"], bool]

INNER = ("backend", ".backend")
"""Where real projects keep the project root, seen from the repository's."""

_ANYBODYS = stat.S_IWOTH | stat.S_ISVTX

_WANTED = (
    "a folder with `docker-compose.yml` and `.env`, `.env.*` or `.nself/`,"
    " or one with `backend/migrations/`"
)


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder: absolute paths, nothing read yet."""

    root: Path
    migrations_dir: Path
    """May be missing, unless it was given by name."""
    migrations_given: bool = False
    """Whether a person chose `migrations_dir`: then it may lie anywhere."""
    scope: Scope = "project"

    @property
    def repo_root(self) -> Path:
        """The folder that people see paths relative to, as the docs show `backend/migrations/`."""
        inner = self.root.name in INNER and not (self.root / ".git").exists()
        return self.root.parent if inner and self.scope != "plugins" else self.root

    def shown(self, path: Path) -> PurePosixPath:
        """Give the path relative to `repo_root`, or absolute where it lies elsewhere."""
        base = self.repo_root
        return PurePosixPath(path.relative_to(base) if path.is_relative_to(base) else path)


def find_project(start: Path | None, explicit: Path | None, *, home: Path | None = None) -> Project:
    """Find the project around `start` (default: the current folder), or at `explicit`.

    At each level the folder itself, then `backend/`, then `.backend/`. A folder that has only
    migrations is taken where no full project of the same repository lies above it. `home` itself
    is searched, nothing above it. Raises UsageError: none found, or two at once.
    """
    if explicit is not None:
        return _explicit(explicit)
    start = (start or Path.cwd()).absolute()
    partial: Path | None = None
    for level in _levels(start, home):
        if root := _one_of(level, _is_full, home):
            return _project(root)
        partial = partial or _partial(level, home)
        # A full project above another repository has nothing to do with these migrations.
        if partial and (level / ".git").exists():
            break
    if partial:
        return _project(partial)
    raise UsageError(
        f"no ɳSelf project found in `{start}` or in a folder above it (looked for {_WANTED})",
        hint="go to the project's folder, or name it with `--project FOLDER`",
    )


def is_project(folder: Path, home: Path | None = None) -> bool:
    """Tell whether a folder is the root of a whole project: with compose file and env files."""
    return _is_full(folder, home)


def with_migrations(project: Project, folder: Path) -> Project:
    """Give the project with another migrations folder; UsageError where that is no folder."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(
            f"the migrations folder `{folder}` {what}",
            hint="create it, or correct `--migrations-dir` (or NSELF_MIGRATIONS_DIR)",
        )
    return replace(project, migrations_dir=folder.absolute(), migrations_given=True)


def _explicit(folder: Path) -> Project:
    """Take a folder that was named: a single sign of a project is enough."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.absolute() keeps `..`
    if not folder.is_dir():
        raise UsageError(f"the project folder `{folder}` does not exist or is no folder")
    root = _one_of(folder, _is_full, None) or _partial(folder, None)
    if root is None and (_has_compose(folder) or _has_env(folder, None)):
        root = folder
    if root is None:
        raise UsageError(
            f"`{folder}` holds no ɳSelf project (looked for {_WANTED})",
            hint=f"`mkdir -p {folder}/backend/migrations` makes it one",
        )
    return _project(root)


def _levels(start: Path, home: Path | None) -> Iterator[Path]:
    """Give `start` and the folders above it, up to `home` or to where anybody may write."""
    yield start
    if start == home:
        return
    for parent in start.parents:
        try:
            # In /tmp a stranger's compose file would decide which database we work on. Without the
            # sticky bit it is a mount that knows no modes (WSL, Docker Desktop).
            if parent.stat().st_mode & _ANYBODYS == _ANYBODYS:
                return
        except OSError:
            return
        yield parent
        if parent == home:
            return


def _one_of(level: Path, qualifies: _Test, home: Path | None) -> Path | None:
    """Give the project root at one level, or None; raises UsageError when two inner ones are."""
    if qualifies(level, home):
        return level
    inner = [level / name for name in INNER if qualifies(level / name, home)]
    if len(inner) > 1:
        raise UsageError(
            f"both `{inner[0]}` and `{inner[1]}` are ɳSelf projects",
            hint=f"say which one: `--project {inner[0]}`",
        )
    return inner[0] if inner else None


def _partial(level: Path, home: Path | None) -> Path | None:
    """Give the root of a project that has only migrations; the one with env files first."""
    root = _one_of(level, _has_migrations_and_env, home)
    return root or (level if _is_dir(level / "backend" / "migrations") else None)


def _is_full(folder: Path, home: Path | None) -> bool:
    return _has_compose(folder) and _has_env(folder, home)


def _has_migrations_and_env(folder: Path, home: Path | None) -> bool:
    migrations = (folder / "backend" / "migrations", folder / "migrations")
    return any(map(_is_dir, migrations)) and _has_env(folder, home)


def _has_compose(folder: Path) -> bool:
    return any(_is_file(folder / name) for name in COMPOSE_FILES)


def _has_env(folder: Path, home: Path | None) -> bool:
    """Tell whether env files or `.nself/` are there; the home folder's `.nself/` is the CLI's."""
    if folder != home and _is_dir(folder / ".nself"):
        return True
    try:
        # A folder called `.env` is a Python virtual environment.
        with os.scandir(folder) as entries:
            return any(
                (entry.name == ".env" or entry.name.startswith(".env.")) and not entry.is_dir()
                for entry in entries
            )
    except OSError:
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _project(root: Path) -> Project:
    own = root / "migrations"
    usual = root / "backend" / "migrations"
    if root.name in INNER or (own.is_dir() and not usual.is_dir()):
        usual = own
    return Project(root, usual)
