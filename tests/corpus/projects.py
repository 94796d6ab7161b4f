"""The ɳSelf projects among the real ones: where each has its root, and a copy to work on."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from nself_tasks.discovery import Project

CORPUS = Path(os.environ.get("NSELF_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")

V1 = (
    "_generated/nself-0.1.0-simple",
    "_generated/nself-v0.2.4-simple",
    "_generated/nself-v0.4.0-simple",
    "_generated/nself-v0.4.4-demo",
    "_generated/nself-v0.4.8-simple",
    "_generated/nself-v0.9.5-demo",
    "_generated/nself-v0.9.9-core",
    "_generated/nself-v0.9.9-demo",
    "acamarata-nself-app@v1/backend",
    "acamarata-nself-family@v1/backend",
    "nself-org-task@v1-1c7af61/backend",
    "nself-org-chat@trap-4b0bcd8/backend",
)
V2 = ("nself-org-task@v2-760dadb/backend",)


def roots() -> Iterator[str]:
    """Every project root: a compose file with env files or `.nself/` beside it."""
    for top in (*CORPUS.iterdir(), *(CORPUS / "_generated").iterdir()):
        for root in (top, top / "backend", top / ".backend"):
            beside = any(root.glob(".env*")) or (root / ".nself").is_dir()
            if (root / "docker-compose.yml").is_file() and beside:
                yield str(root.relative_to(CORPUS))


def foreign() -> list[Path]:
    """Every other folder in which something could be taken for a part of a project."""
    signs = ("docker-compose*.y*ml", "compose*.y*ml", ".env*", "nginx", "nself.sh", ".nself")
    ours = {CORPUS / name for name in (*V1, *V2)}
    return sorted({path.parent for sign in signs for path in CORPUS.rglob(sign)} - ours)


def at(root: Path) -> Project:
    """The project in this folder, without a search for it."""
    return Project(root, root / "migrations")


def copied(name: str, target: Path) -> Path:
    """A copy of the whole repository that may be written to; gives the project's root in it."""
    inner = Path(name).name == "backend"
    source = CORPUS / name
    shutil.copytree(source.parent if inner else source, target, symlinks=True)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        if not folder.is_symlink():
            folder.chmod(0o755)
    return target / "backend" if inner else target


OURS = (".nself/migrate", ".nself/backup")
"""What the command keeps for itself: no part of a project."""


def snapshot(root: Path) -> dict[str, tuple[int, bytes | str | None]]:
    """Everything in a folder: the permissions, and a file's bytes or where a link points."""
    found: dict[str, tuple[int, bytes | str | None]] = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(folder) / name
            shown = path.relative_to(root).as_posix()
            if any(f"/{shown}/".find(f"/{ours}/") >= 0 for ours in OURS):
                continue
            mode = path.lstat().st_mode
            held: bytes | str | None = None
            if path.is_symlink():
                held = str(path.readlink())
            elif stat.S_ISREG(mode):
                held = path.read_bytes()
            found[shown] = (stat.S_IMODE(mode), held)
    return found
