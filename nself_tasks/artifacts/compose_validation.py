"""Holds a compose file against the schema of v2 ones, before it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nself_tasks.errors import Problem
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.yaml_values import plain

MOST = 20
"""Problems that are worth a line each."""


def violations(text: str, schema: Mapping[str, Any], spec: Mapping[str, Any]) -> list[Problem]:
    """Give what is wrong by `schemas/compose-v2.json` and the vendored `compose-spec.json`.

    Values are never quoted, as they may be secrets.
    """
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    root = yaml_spans.read(text)
    if isinstance(root, Problem):
        return [root]
    resource: Resource[Any] = Resource.from_contents(spec)
    registry: Registry[Any] = Registry().with_resource("compose-spec.json", resource)
    validator = Draft202012Validator(schema, registry=registry)
    found = sorted(validator.iter_errors(plain(root)), key=lambda error: error.json_path)
    return [Problem(f"{error.json_path} breaks `{error.validator}`") for error in found[:MOST]]
