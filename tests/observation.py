"""What a test looks at before and after a command: the folder, the database, the JSON's shape."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from nself_tasks.database.servers.binaries import Installation

SCHEMAS = Path(__file__).parents[1] / "schemas"
RELATIONS = "SELECT oid, relname, relkind, relfilenode, relnamespace FROM pg_class ORDER BY oid"
ADVISORY = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


def folder_tree(root: Path) -> dict[str, tuple[int, int, str]]:
    """Every file and folder: its mode, when it was changed, its content's digest."""
    found = {}
    for path in sorted([root, *root.rglob("*")]):
        told = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (told.st_mode, told.st_mtime_ns, hashlib.sha256(content).hexdigest())
    return found


def schema_dump(url: str, tools: Installation) -> list[str]:
    """The schema as `pg_dump` writes it, without the key that is another one each time."""
    command = [tools.program("pg_dump"), "--schema-only", "--dbname", url]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrest"))]


def catalog(url: str, tools: Installation) -> tuple[list[str], list[Any], list[Any]]:
    """The database: its schema, its relations with their files, its advisory locks."""
    with psycopg.connect(url) as connection:
        relations = connection.execute(RELATIONS).fetchall()
        locks = connection.execute(ADVISORY).fetchall()
    return schema_dump(url, tools), relations, locks


def violations(document: Any, schema: str) -> list[str]:
    """What `schemas/<schema>.schema.json` says against a document."""
    loaded = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    resources = [(name, Resource.from_contents(body)) for name, body in loaded.items()]
    validator = Draft202012Validator(
        loaded[f"{schema}.schema.json"],
        registry=Registry().with_resources(resources),
        format_checker=FormatChecker(),
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
