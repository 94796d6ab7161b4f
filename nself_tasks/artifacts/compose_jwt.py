"""Hasura's JWT secret: v1's env files and v1's start had it as JSON, v2's have key and type apart.

    ${HASURA_GRAPHQL_JWT_SECRET}
      ->  '{"type":"${HASURA_JWT_TYPE:-HS256}","key":"${HASURA_JWT_KEY}"}'

A default in braces cannot do it: Compose's versions disagree on where `${A:-{…}}` ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_formulas import Values
from nself_tasks.artifacts.compose_meaning import Meaning
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.compose_step import Step
from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.yaml_spans import Node

JWT = "HASURA_GRAPHQL_JWT_SECRET"
RULE = "compose-jwt"
TEMPLATE = '{"type":"${HASURA_JWT_TYPE:-HS256}","key":"${HASURA_JWT_KEY}"}'


def jwt_steps(root: Node, used: Used) -> Iterator[Step]:
    """Give the change, where every environment's secret is but key and type."""
    if not all(_is_apart(context) for context in used.contexts):
        return
    edits: list[Edit] = []
    services: list[str] = []
    lines: list[int] = []
    for name, service in signals.services(root).items():
        environment = service.get("environment")
        node = environment.get(JWT) if environment and environment.style != "{" else None
        if node and node.bare and node.value == f"${{{JWT}}}":
            edits.append(Edit(node.start, node.end, f"'{TEMPLATE}'"))
            services.append(name)
            lines.append(node.line)
    if edits:
        yield Step(
            RULE,
            lines[0],
            "the JWT secret as JSON from the environment",
            "the same JSON from HASURA_JWT_KEY and HASURA_JWT_TYPE",
            tuple(edits),
            frozenset((name, f"environment.{JWT}") for name in services),
        )


def _is_apart(context: Values) -> bool:
    """Tell whether key and type are, or will be, in variables of their own."""
    key, written = context.get("HASURA_JWT_KEY"), context.get(JWT)
    if not written:
        return key is not None
    try:
        parsed = json.loads(written)
    except (ValueError, RecursionError):
        return False
    if not isinstance(parsed, dict) or set(parsed) - {"type", "key"} or "key" not in parsed:
        return False
    plain = all(isinstance(value, str) and value.isprintable() for value in parsed.values())
    return plain and key in (None, "", parsed["key"])


def keeps_secret(step: Step, before: Meaning, after: Meaning) -> bool:
    """Tell whether the services of the step get the same JSON as before.

    The env files may leave a secret where it is, and what is written into the JSON may be no text
    of JSON: a quote mark, a backslash.
    """
    return all(_read(before.get(place)) == _read(after.get(place)) for place in step.changes)


def _read(written: Any) -> Any:
    """Give the JSON as Hasura reads it, or the text where it is none; an empty one says nothing."""
    try:
        parsed = json.loads(written or "null")
    except (TypeError, ValueError, RecursionError):
        return str(written)
    if not isinstance(parsed, dict):
        return parsed
    return {"type": "HS256", **{key: value for key, value in parsed.items() if value}}
