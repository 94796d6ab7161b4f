"""A small ɳSelf v1 project on disk, with a file of every kind, and a way to compare whole trees."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import nginx_projects

ENV = """\
PROJECT_NAME=shop
ENV=dev
HASURA_ADMIN_SECRET=dev-secret-one
POSTGRES_DB=shop
TZ=UTC
"""
PROD = "TZ=Europe/Berlin\nBASE_DOMAIN=shop.example.org\n"
BUILD_VERSION = "0.9.8\n"
OURS = (".nself/migrate", ".nself/backup", ".nself/postgres")
"""What the command keeps for itself: no part of a project."""

Tree = dict[str, tuple[int, bytes | str]]


def files() -> dict[str, str]:
    """The files of a project of 0.9.9 at its root."""
    return {
        **nginx_projects.late({"nginx/sites/own.conf": nginx_projects.BY_HAND}),
        ".env": ENV,
        ".env.prod": PROD,
        ".nself/build-version": BUILD_VERSION,
    }


def write(root: Path, given: Mapping[str, str] | None = None) -> Path:
    """Put a project on disk."""
    for name, text in (files() if given is None else given).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def tree(root: Path) -> Tree:
    """Every file of a project with its permissions and its bytes, or where a link points."""
    found: Tree = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            shown = path.relative_to(root).as_posix()
            if shown.startswith(OURS):
                continue
            if path.is_symlink():
                found[shown] = (0, str(path.readlink()))
            else:
                found[shown] = (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
    return found
