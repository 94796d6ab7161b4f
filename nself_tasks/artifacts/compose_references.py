"""What the project's compose files take from its env files: variables, and whole files.

Compose reads more than `docker-compose.yml`: the override that it merges, and what those `include`
or `extends`. A key that one of them uses, or that a container gets with a whole file, keeps its
name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, TypeGuard

from nself_tasks.artifacts.finding import Evidence
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.expansion import references
from nself_tasks.rewriting.yaml_spans import Node
from nself_tasks.rewriting.yaml_values import plain

_PASSED_ON = re.compile(
    r"""^[ \t]*(?:-[ \t]*["']?(\w+)["']?|["']?(\w+)["']?:)[ \t]*\r?$""", re.MULTILINE
)
"""`- KEY` and `KEY:` without a value: Compose hands the variable of that name on."""
_NAMES_FILES = re.compile(r"""^[ \t-]*["']?(?:include|env_file|file|extends)["']?[ \t]*:""", re.M)
"""Reading YAML takes longer than all the rest: most files need not be."""


def names_in(text: str) -> frozenset[str]:
    """Give the names of variables that a compose file takes from the environment."""
    passed_on = (match[1] or match[2] for match in _PASSED_ON.finditer(text))
    return frozenset((*references(text), *passed_on))


def compose_files(evidence: Evidence) -> dict[PurePosixPath, str]:
    """Give the compose files: those of the project's root, and what they lead to."""
    waiting = [
        path
        for path in sorted(evidence.texts)
        if len(path.parts) == 1 and path.suffix in (".yml", ".yaml")
    ]
    found: dict[PurePosixPath, str] = {}
    while waiting:
        path = waiting.pop(0)
        if path not in found and path in evidence.texts:
            found[path] = evidence.texts[path]
            waiting += named_files(path, found[path])
    return found


def merged_texts(evidence: Evidence, first: PurePosixPath) -> dict[PurePosixPath, str]:
    """Give what a plain `docker compose up` reads beside the first compose file."""
    files = compose_files(evidence)
    merged = [first, *(path for path in files if path.match("docker-compose.override.y*ml"))]
    found: dict[PurePosixPath, str] = {}
    while merged:
        path = merged.pop(0)
        if path not in found and path in files:
            found[path] = files[path]
            merged += named_files(path, files[path])
    del found[first]
    return found


def named_files(path: PurePosixPath, text: str) -> Iterator[PurePosixPath]:
    """Give the compose files that one `include`s or `extends`, relative to the project's root.

    What lies elsewhere than on this disk is left out, and a name with a variable in it.
    """
    data = _data(text) if path.suffix in (".yml", ".yaml") else {}
    for entry in _listed(data.get("include")):
        names = entry.get("path") if isinstance(entry, dict) else entry
        yield from (_beside(path, name) for name in _listed(names) if _is_local(name))
    for service in _mapping(data.get("services")).values():
        extended = _mapping(_mapping(service).get("extends")).get("file")
        if _is_local(extended):
            yield _beside(path, extended)


def handed_over(evidence: Evidence) -> frozenset[str] | None:
    """Give the files of the root that containers get whole by `env_file`; None: any of them may
    be, as a name has a variable in it."""
    found: set[str] = set()
    for path, text in compose_files(evidence).items():
        data = _data(text)
        for service in _mapping(data.get("services")).values():
            for name in env_files_of(_mapping(service)):
                if "$" in name:
                    return None
                beside = _beside(path, name)
                if len(beside.parts) == 1:
                    found.add(beside.name)
    return frozenset(found)


def env_files_of(service: dict[str, Any]) -> list[str]:
    """Give the names below a service's `env_file`, in the order in which they are read."""
    entries = _listed(service.get("env_file"))
    names = (entry.get("path") if isinstance(entry, dict) else entry for entry in entries)
    return [name for name in names if isinstance(name, str)]


@lru_cache(maxsize=8)
def _data(text: str) -> dict[str, Any]:
    root = yaml_spans.read(text) if _NAMES_FILES.search(text) else None
    return _mapping(plain(root)) if isinstance(root, Node) else {}


def _is_local(name: object) -> TypeGuard[str]:
    if not isinstance(name, str) or not name or "$" in name:
        return False
    return "://" not in name and not name.startswith(("git@", "oci:", "github.com/"))


def _beside(path: PurePosixPath, name: str) -> PurePosixPath:
    return PurePosixPath(posixpath.normpath(path.parent / name))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
