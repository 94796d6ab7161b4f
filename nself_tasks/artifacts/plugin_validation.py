"""Holds a plugin manifest against the rules of v2, before it is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nself_tasks.artifacts.plugin_json import read
from nself_tasks.errors import Problem


def violations(text: str, schema: Mapping[str, Any]) -> list[Problem]:
    """Give what is wrong by `schemas/plugin-manifest.schema.json` and beside it."""
    from jsonschema import Draft202012Validator

    found = read(text)
    if isinstance(found, Problem):
        return [found]
    errors = sorted(Draft202012Validator(schema).iter_errors(found), key=lambda e: e.json_path)
    wrong = [Problem(f"{error.json_path} breaks `{error.validator}`") for error in errors]
    return wrong or [Problem(drift) for drift in _drift(found)]


def _drift(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Give where two keys that say the same do not (E112)."""
    if manifest.get("schema", schema_of(manifest["name"])) != schema_of(manifest["name"]):
        yield "schema is not the one of name"
    wanted = manifest.get("requires", {}).get("nself")
    if "minNselfVersion" in manifest and wanted is not None:
        lowest = wanted.split()[0] if wanted.split() else ""
        if lowest != f">={manifest['minNselfVersion']}":
            yield "minNselfVersion is not the lowest of requires.nself"
    if "port" in manifest and manifest["service"].get("port", manifest["port"]) != manifest["port"]:
        yield "port is not the one of service"


def schema_of(name: str) -> str:
    """Give the database schema of a plugin."""
    return "np_" + name.replace("-", "_")
