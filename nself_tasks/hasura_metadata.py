"""What the project's own `hasura/metadata` says is tracked, read from its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nself_tasks.discovery import Project
from nself_tasks.errors import InputError
from nself_tasks.hasura import tables_in
from nself_tasks.project import leaves, read_small
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.yaml_spans import Node

_PLACES = ("databases/*/tables/*.yaml", "tables.yaml")
"""Of metadata version 3, one file a table; of version 2, one file."""


def tables_of_files(project: Project) -> Iterator[tuple[str, str]]:
    """Give schema and name of each table; a file that cannot be read says nothing."""
    folder = project.root / "hasura" / "metadata"
    for pattern in _PLACES:
        for path in sorted(folder.glob(pattern)):
            yield from _tables(project, path)


def _tables(project: Project, path: Path) -> Iterator[tuple[str, str]]:
    if leaves(path, project.repo_root):
        return
    try:
        root = yaml_spans.read(read_small(path) or "")
    except InputError:
        return
    if not isinstance(root, Node):
        return
    for entry in root.items or (root,):
        table = entry.get("table")
        if table is not None:
            parts = {key.value: value.value for key, value in table.pairs}
            yield from tables_in({"table": parts or table.value})
