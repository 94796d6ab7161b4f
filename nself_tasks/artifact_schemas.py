"""Holds what an upgrade is about to write against the JSON Schemas of v2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from nself_tasks.errors import Problem

_HERE = Path(__file__).resolve().parent
FOLDERS = (_HERE / "schemas", _HERE.parent / "schemas")
"""In an installed package, and in a clone."""

COMPOSE = PurePosixPath("docker-compose.yml")


@cache
def load(name: str) -> dict[str, Any]:
    """Give a schema by the name of its file. Raises FileNotFoundError for an unknown one."""
    for folder in FOLDERS:
        if (folder / name).is_file():
            schema: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
            return schema
    raise FileNotFoundError(f"there is no schema `{name}`")


def violations(path: PurePosixPath, text: str) -> list[Problem]:
    """Give what is wrong with an artifact of v2; nothing for a file that has no schema."""
    if path == COMPOSE:
        from nself_tasks.artifacts import compose_validation

        return compose_validation.violations(
            text, load("compose-v2.json"), load("compose-spec.json")
        )
    if path.name in ("plugin.json", "manifest.json"):
        from nself_tasks.artifacts import plugin_validation

        return plugin_validation.violations(text, load("plugin-manifest.schema.json"))
    if path.name == ".env" or path.name.startswith(".env."):
        from nself_tasks.artifacts import env_validation

        return env_validation.violations(text, load("env.schema.json"))
    return []


def introduced(path: PurePosixPath, before: str | None, after: str) -> Iterator[Problem]:
    """Give the violations that a rewrite brings in, at the file's path; old ones stay theirs.

    A file that somebody made wrong stays as wrong as it was: that is no reason to leave the rest
    of the project in v1.
    """
    known = {problem.message for problem in violations(path, before)} if before else set()
    for problem in violations(path, after):
        if problem.message not in known:
            yield problem._replace(path=str(path))
