"""Talks to the Hasura of the project's own Compose stack: reload its metadata, export it.

Only this machine's published port is asked. The admin secret goes there in a header and nowhere
else: no proxy, no redirect, and it is in no message.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nself_tasks import database_url
from nself_tasks.database_url import COMPOSE_HOST
from nself_tasks.hasura_http import Endpoint, HasuraFailed, post

if TYPE_CHECKING:
    from nself_tasks.settings import Settings

_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "[::1]", COMPOSE_HOST, ""})
_PORTS = ("HASURA_PORT", "HASURA_GRAPHQL_PORT")
_SECRETS = ("HASURA_GRAPHQL_ADMIN_SECRET", "HASURA_ADMIN_SECRET")
"""v2's names first, then v1's."""


@dataclass(frozen=True, slots=True)
class Inconsistent:
    """An object of the metadata that does not fit the database."""

    type: str
    name: str
    reason: str


def endpoint(settings: Settings) -> Endpoint | None:
    """Give the Hasura that shows the target's tables; None where the project has none here.

    It is this machine's only where the database is: a stack beside a remote database is another
    environment's.
    """
    values = settings.cascade.values
    chosen = settings.environment
    elsewhere = chosen.strictness > 0 and settings.own_environment != chosen.name
    if elsewhere or not any(key.startswith("HASURA_") for key in values):
        return None
    target = settings.target
    if target.embedded or target.url is None:
        return None
    parts = database_url.parse(target.url, target.source, default_user="postgres")
    if parts.hosts.rpartition(":")[0] not in _THIS_MACHINE:
        return None
    port = next((values[key] for key in _PORTS if values.get(key)), "8080")
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        return None
    return Endpoint(int(port), next((values[key] for key in _SECRETS if values.get(key)), None))


def reload_metadata(at: Endpoint) -> tuple[Inconsistent, ...]:
    """Let Hasura read the catalog again; gives what does not fit it. Raises HasuraFailed."""
    answer = _ask(at, "reload_metadata", {"reload_sources": True, "reload_remote_schemas": False})
    if "inconsistent_objects" not in answer:
        # Older servers answer with a word only.
        answer = _ask(at, "get_inconsistent_metadata", {})
    found = answer.get("inconsistent_objects")
    return tuple(_inconsistent(one) for one in found or () if isinstance(one, dict))


def tracked_tables(at: Endpoint) -> frozenset[tuple[str, str]]:
    """Give schema and name of the tables that Hasura tracks. Raises HasuraFailed."""
    return frozenset(tables_in(_ask(at, "export_metadata", {})))


def tables_in(metadata: Any) -> Iterator[tuple[str, str]]:
    """Give schema and name of every table in metadata, exported or read from its files."""
    todo = [metadata]
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            todo += one
        elif isinstance(one, dict):
            table = one.get("table")
            if isinstance(table, str):
                yield "public", table
            elif isinstance(table, dict) and isinstance(table.get("name"), str):
                yield str(table.get("schema", "public")), table["name"]
            # What is tracked is listed there; relationships name tables too, deeper down.
            todo += [one[key] for key in ("metadata", "sources", "tables") if key in one]


def _inconsistent(found: Mapping[str, Any]) -> Inconsistent:
    definition = found.get("definition")
    name = found.get("name") or (definition if isinstance(definition, str) else "")
    return Inconsistent(
        str(found.get("type", "object")),
        str(name or json.dumps(definition, ensure_ascii=False))[:200],
        str(found.get("reason", "")).strip()[:500],
    )


def _ask(at: Endpoint, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    status, body = post(at, {"type": kind, "args": dict(arguments)})
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    listed = answer.get("inconsistent_objects", []) if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(listed, list):
        raise HasuraFailed(
            f"what answers at {at.url} is no Hasura (HTTP {status}, no JSON)",
            "set HASURA_PORT to the port on which the stack publishes Hasura",
        )
    said = str(answer.get("error", ""))[:300]
    if status == 401 or answer.get("code") == "access-denied":
        raise HasuraFailed(
            f"the Hasura at {at.url} refused the admin secret",
            "set HASURA_GRAPHQL_ADMIN_SECRET in the env files to the one that it runs with",
        )
    if status != 200:
        raise HasuraFailed(
            f"the Hasura at {at.url} answered {kind} with HTTP {status}" + f": {said}" * bool(said),
            "look at its log (`docker compose logs hasura`)",
        )
    return answer
