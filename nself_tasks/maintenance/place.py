"""Our file in nginx's tree: found, written, taken away; and kept from git while it is there.

One file that is replaced in one step is all there is, so a kill leaves it whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from nself_tasks.discovery import Project
from nself_tasks.errors import GuardError
from nself_tasks.maintenance.snippet import NAME, is_ours
from nself_tasks.project import leaves, read_small
from nself_tasks.storage import ensure_private, explained, replace_synced, state_dir, sync_folder

_IGNORE = ".gitignore"
_IGNORED = (
    f"# nself maintenance: a site in maintenance is no state to commit\n/{_IGNORE}\n/{NAME}\n"
)


def found(project: Project, folder: Path | None = None) -> Path | None:
    """Give where our file lies: in `folder`, else anywhere in `nginx/`; None where it does not.

    Raises GuardError for a file of that name which is not ours.
    """
    for path in _candidates(project, folder):
        if not path.is_file():
            continue
        if path.is_symlink() or not is_ours(read_small(path) or ""):
            raise GuardError(
                f"`{project.shown(path)}` is there and was not written by this command",
                hint="look at it, and give it another name or remove it",
                database="unchanged",
            )
        return path
    return None


def _candidates(project: Project, folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder / NAME
    nginx = project.root / "nginx"
    if not leaves(nginx, project.repo_root):
        yield nginx / NAME
        yield from sorted(nginx.glob(f"*/{NAME}"))


def write(project: Project, path: Path, text: str) -> None:
    """Put our file in place, and before it what keeps it from git. Raises NselfError."""
    if leaves(path.parent, project.repo_root):
        raise GuardError(f"`{project.shown(path.parent)}` leads out of the project")
    drafts = ensure_private(state_dir(project))
    ignore = path.with_name(_IGNORE)
    if not ignore.exists() and not ignore.is_symlink():
        replace_synced(ignore, _IGNORED.encode(), 0o644, drafts=drafts)
    replace_synced(path, text.encode(), 0o644, drafts=drafts)


def remove(project: Project, path: Path) -> None:
    """Take our file away, and after it what kept it from git. Raises NselfError."""
    with explained(path):
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
        sweep(path.parent)


def sweep(folder: Path) -> None:
    """Take away what kept our file from git, where that is all that it does. Raises OSError."""
    ignore = folder / _IGNORE
    with suppress(FileNotFoundError):
        if not ignore.is_symlink() and ignore.read_bytes() == _IGNORED.encode():
            ignore.unlink()
            sync_folder(folder)
