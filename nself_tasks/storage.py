"""Writes to the project: new files, replaced files, our own folders in `.nself/`."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nself_tasks.discovery import Project
from nself_tasks.errors import InputError, NselfError
from nself_tasks.records import require_unlinked

DRAFTS = ".nself-*.tmp"
"""What a new text is called before it gets its name; a kill leaves one lying."""


def state_dir(project: Project) -> Path:
    """Give the folder of locks, journal and staged files, which may not exist yet."""
    return project.root / ".nself" / "migrate"


def backup_dir(project: Project) -> Path:
    """Give the folder of backups, which may not exist yet."""
    return project.root / ".nself" / "backup"


def shown_backups(project: Project) -> str:
    """Give the folder of backups as a person is told it; of a folder of plugins the whole path."""
    path = backup_dir(project)
    return str(path if project.scope == "plugins" else project.shown(path))


def ensure_private(path: Path) -> Path:
    """Make a folder that only its owner reads and that neither git nor Docker picks up.

    Raises NselfError where that cannot be.
    """
    require_unlinked(path)
    try:
        make_private(path)
        if stat.S_IMODE(path.stat().st_mode) != 0o700:
            path.chmod(0o700)
        for name in (".gitignore", ".dockerignore"):
            # Empty: of a run that was killed, or whose disk was full, before it wrote the star.
            if not _has_bytes(path / name):
                replace_synced(path / name, b"*\n", 0o644)
                give_to_owner(path / name)
    except OSError as error:
        what, hint = why(error, path)
        raise NselfError(f"cannot prepare `{path}`: {what}", hint=hint) from error
    return path


def _has_bytes(path: Path) -> bool:
    return not path.is_symlink() and path.exists() and path.stat().st_size > 0


def make_private(path: Path) -> None:
    """Make a folder of ours, with those above it; raises OSError."""
    new = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in reversed(new):
        give_to_owner(each)


def give_to_owner(path: Path) -> None:
    """What root makes in another user's project is that user's."""
    owner = path.parent.stat()
    if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (0, 0):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def why(error: OSError, path: Path) -> tuple[str, str]:
    """Give why something could not be written, and what to do; a full disk is named."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error.strerror or str(error), "mend that, then run the same command again"
    disk = next((p for p in (path, *path.parents) if p.is_mount()), path)
    return (
        f"no space is left on the disk at `{disk}`",
        "free some space there, then run the same command again",
    )


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, and its folder: whole and on disk, or not at all.

    Raises InputError, changing nothing, when something of that name is there or the folder cannot
    be written to.
    """
    # No `.sql` at its end: after a crash it must not look like a migration.
    draft = path.with_name(f".nself-{os.urandom(8).hex()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            _name(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise InputError(f"`{path}` is there already and was left alone") from error
    except OSError as error:
        what, hint = why(error, path)
        raise InputError(f"cannot write `{path}`: {what}", hint=hint) from error


def replace_synced(path: Path, data: bytes, mode: int, *, drafts: Path | None = None) -> None:
    """Replace a file in one step that a crash cannot tear; raises NselfError, changing nothing.

    `drafts` is where the new text is written first, so that a crash leaves nothing beside the file.
    """
    require_unlinked(path.parent)
    with explained(path):
        make_synced(path.parent)
        if drafts is None or drafts.stat().st_dev != path.parent.stat().st_dev:
            drafts = path.parent
        draft = drafts / f".nself-{os.urandom(8).hex()}.tmp"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(descriptor, mode)
                _keep_owner(descriptor, path)
                os.fsync(descriptor)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says against a change of a file into NselfError."""
    try:
        yield
    except OSError as error:
        what, hint = why(error, path)
        raise NselfError(f"cannot write `{path}`: {what}", hint=hint) from error


def make_synced(folder: Path) -> None:
    """Make a folder and those above it, on disk before this returns. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        give_to_owner(each)
        sync_folder(each.parent)


def _keep_owner(descriptor: int, path: Path) -> None:
    """Root upgrades another user's project: the file stays that user's."""
    try:
        owner = path.stat() if path.exists() else path.parent.stat()
    except OSError:
        return
    if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (0, 0):
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _name(draft: Path, path: Path) -> None:
    """Give the draft its name unless it is taken; a rename would replace what is there."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links (exFAT, some mounts): take the name first, then fill it.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        draft.replace(path)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk, where the file system can."""
    # Some network file systems cannot sync a folder; the file itself is on disk by now.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
