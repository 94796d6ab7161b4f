"""What a service has beside the lines of its own: what `<<` merges in, and what it extends.

    postgres:                    settings(…, "postgres")
      <<: *pg            ->        {"image": "postgres:15-alpine", "user": "70:70"}
      user: "70:70"

`<<` is YAML's: an own key replaces a merged one. `extends` is Compose's: mappings are merged, so
that an own empty one takes nothing away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nself_tasks.rewriting.yaml_spans import Node
from nself_tasks.rewriting.yaml_values import plain


def merged(service: Node) -> Mapping[str, Any]:
    """Give the settings of a service as YAML has them: with aliases and `<<` resolved."""
    found = plain(service)
    return found if isinstance(found, dict) else {}


def extends_file(root: Node, name: str) -> str | None:
    """Give the other file that some of the service's settings are in, or None."""
    return _chain(root, name)[1]


def settings(root: Node, name: str) -> Mapping[str, Any]:
    """Give the settings of a service with what it extends in the same file; no deeper merge."""
    found: dict[str, Any] = {}
    for base in reversed(_chain(root, name)[0]):
        found |= base
    return found


def _chain(root: Node, name: str) -> tuple[list[Mapping[str, Any]], str | None]:
    """Give the service and what it extends, one after the other, and the file where that ends."""
    services = root.get("services")
    found: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    while services and name not in seen:
        seen.add(name)
        node = services.get(name)
        found.append(merged(node) if node else {})
        extends = found[-1].get("extends")
        if isinstance(extends, dict):
            file, name = extends.get("file"), str(extends.get("service"))
            if file not in (None, "docker-compose.yml", "./docker-compose.yml"):
                return found, str(file)
        elif isinstance(extends, str):
            name = extends
    return found, None
