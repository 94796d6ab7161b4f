"""The JSON Schemas: well-formed themselves, and closed where a command's JSON is closed."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from observation import SCHEMAS, violations
from servers_for_tests import Nself, Project

FILES = sorted(SCHEMAS.glob("*.schema.json"))
ENVELOPE = {"version": 1, "command": "graph", "exit_code": 0, "messages": [], "error": None}


OPEN = {
    "envelope.schema.json": "the commands' own schemas extend it",
    "env.schema.json": "an env file holds any keys of its owner's",
}
"""Schemas whose outermost object takes more keys than it lists, and why."""
SAME_OBJECT = frozenset({"if", "then", "else", "not", "allOf", "anyOf", "oneOf"})
"""Words whose schemas say more of the object that they stand in: it is closed already."""


def is_closed(schema: dict[str, Any]) -> bool:
    """Whether a schema refuses keys that it does not list."""
    return any(schema.get(w) is False for w in ("additionalProperties", "unevaluatedProperties"))


def open_objects(schema: Any, *, closed: bool = False) -> list[dict[str, Any]]:
    """Every schema inside of a schema that lists properties and takes others as well."""
    if isinstance(schema, list):
        return [found for item in schema for found in open_objects(item, closed=closed)]
    if not isinstance(schema, dict):
        return []
    closed = closed or is_closed(schema)
    own = [schema] if isinstance(schema.get("properties"), dict) and not closed else []
    return own + [
        found
        for word, item in schema.items()
        for found in open_objects(item, closed=closed and word in SAME_OBJECT)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_is_a_schema_of_draft_2020_12_that_says_what_it_is(path: Path) -> None:
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == path.name
    assert schema["title"]
    assert schema["description"]


def stages() -> set[str]:
    """Every stage that a step of the code names in its `meta`."""
    package = SCHEMAS.parent / "nself_tasks" / "pipeline"
    return {
        value.value
        for path in package.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "stage"
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }


def test_every_stage_of_the_graph_is_one_that_the_schema_lists() -> None:
    schema = json.loads((SCHEMAS / "envelope.schema.json").read_text())
    assert set(schema["$defs"]["step"]["properties"]["stage"]["enum"]) == stages()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_object_is_closed_but_those_that_have_a_reason(path: Path) -> None:
    schema = json.loads(path.read_text())
    assert open_objects(schema) == ([schema] if path.name in OPEN else [])


@pytest.mark.parametrize(
    ("schema", "count"),
    [
        ({"properties": {}}, 1),
        ({"properties": {}, "additionalProperties": {"type": "string"}}, 1),
        ({"properties": {"a": {"properties": {}}}, "additionalProperties": False}, 1),
        ({"items": {"properties": {}}, "additionalProperties": False}, 1),
        ({"allOf": [{"then": {"properties": {}}}]}, 1),
        ({"allOf": [{"then": {"properties": {}}}], "additionalProperties": False}, 0),
        ({"properties": {}, "unevaluatedProperties": False}, 0),
    ],
    ids=str,
)
def test_an_open_object_is_found_wherever_it_is(schema: dict[str, Any], count: int) -> None:
    assert len(open_objects(schema)) == count


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"version": 2},
        {"exit_code": 4},
        {"error": {"code": "graph"}},
        {"steps": [{"id": "migrate:history"}]},
        {"messages": [{"level": "shout", "text": ""}]},
    ],
    ids=str,
)
def test_a_document_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    sound = {**ENVELOPE, "goal": "migrate:record", "checked": True, "project": "demo", "steps": []}
    assert violations(sound, "graph") == []
    assert violations({**sound, **change}, "graph") != []


def test_what_the_commands_print_and_write_is_as_the_schemas_say(
    project: Project, nself: Nself
) -> None:
    for number, name in enumerate("abc", 1):
        project.migration(str(number), name, f"CREATE TABLE {name} (i int);")
    assert nself("run", "--to", "2").code == 0
    project.migration("1", "a", "CREATE TABLE edited (i int);")
    status = nself("status", "--json").json()
    assert violations(status, "status") == []
    assert [m["state"] for m in status["migrations"]] == ["edited", "applied", "pending"]
    assert violations(nself("detect", "--json").json(), "detect") == []
    assert violations(nself("run", "--json").json(), "run") == []
    assert violations(nself("run", "--to", "x", "--json").json(), "error") == []
    (manifest,) = (project.root / ".nself" / "backup").glob("*/manifest.json")
    assert violations(json.loads(manifest.read_text()), "backup-manifest") == []


@pytest.mark.parametrize("command", ["run", "rollback"])
def test_a_command_that_failed_at_once_has_the_shape_of_an_error(
    project: Project, nself_offline: Nself, command: str
) -> None:
    project.migration("1", "a", "CREATE TABLE a (i int);")
    for arguments in ((command,), (command, "--no-such-flag"), (command, "--project", "/no/where")):
        result = nself_offline(*arguments, "--json")
        assert result.code in (1, 2)
        assert violations(result.json(), "error") == []
