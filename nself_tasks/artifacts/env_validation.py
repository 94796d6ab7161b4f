"""Holds an env file against what v2 expects of it, before it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nself_tasks.errors import Problem
from nself_tasks.rewriting import dotenv


def violations(text: str, schema: Mapping[str, Any]) -> list[Problem]:
    """Give what is wrong by `schemas/env.schema.json`; values are never quoted: secrets."""
    from jsonschema import Draft202012Validator

    found = dotenv.read(text)
    values = {assignment.key: assignment.value for assignment in found.assignments}
    lines = {assignment.key: assignment.line for assignment in found.assignments}
    errors = sorted(Draft202012Validator(schema).iter_errors(values), key=lambda e: e.json_path)
    wrong = [
        Problem(f"{error.path[0]} breaks `{error.validator}`", line=lines[str(error.path[0])])
        for error in errors
        if error.path
    ]
    return [*found.problems, *wrong]
