"""The upgrade of the services: names, images, nginx's mounts, and the keys that v2 always has.

Nothing that could stop a running service is added: no memory limit, no dropped capability, no
read-only file system, no other user, image, port or data path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_inherited import merged
from nself_tasks.artifacts.compose_nginx import nginx_steps
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.compose_step import Step, addition, replaced
from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.yaml_spans import Node

HARDENED = frozenset(
    {
        *("postgres", "hasura", "auth", "nginx", "nself-admin", "functions", "mailpit", "mailhog"),
        *("meilisearch", "meilisearch-init", "minio", "typesense", "redis"),
    }
)
"""What v2's own generator writes. Of any other service it is not known what it can bear."""
_STATEFUL = frozenset({"postgres", "hasura", "auth", "storage", "minio", "redis"})


def service_steps(text: str, root: Node, used: Used) -> Iterator[Step]:
    """Give the changes inside of the services."""
    found = signals.services(root)
    names = [e for s in found.values() for e in _literal(s.get("container_name"), used)]
    if names:
        line = next(s.line for s in found.values() if s.get("container_name"))
        yield Step(
            "compose-container-names",
            line,
            "container names from `${PROJECT_NAME}`",
            f"the same names, written out (`{used.prefix}_…`)",
            tuple(names),
        )
    yield from _images(found, used)
    yield from nginx_steps(text, root, used)
    yield from _hardening(text, root, found)


def _literal(node: Node | None, used: Used) -> Iterator[Edit]:
    if node and "$" in node.value:
        yield from replaced(node, used.value(node.value))


def _images(found: Mapping[str, Node], used: Used) -> Iterator[Step]:
    """Pin what keeps data to the version that really ran: a variable may have another one later."""
    for name, service in found.items():
        mounts = merged(service).get("volumes")
        keeps = any(map(_is_volume, mounts)) if isinstance(mounts, list) else False
        edits = tuple(_literal(service.get("image"), used))
        if edits and (keeps or name in _STATEFUL):
            image = service.get("image")
            yield Step(
                "compose-image-pin",
                image.line if image else None,
                f"image of `{name}` from a variable",
                f"pinned to `{used.value(image.value) if image else ''}`, which v1 ran",
                edits,
            )


def _is_volume(mount: Any) -> bool:
    source = mount.get("source") if isinstance(mount, dict) else str(mount).partition(":")[0]
    return str(source or "")[:1] not in ("", ".", "/", "~")


def _hardening(text: str, root: Node, found: Mapping[str, Node]) -> Iterator[Step]:
    """Add `logging` and `security_opt` where they are missing."""
    edits: dict[bool, list[Edit]] = {True: [], False: []}
    changes: set[tuple[str, str]] = set()
    for name, service in found.items():
        has = merged(service)
        # What it extends may have both already: an empty one is merged with that and changes none.
        known = name in HARDENED and "image" in has and "extends" not in has
        lines = list(_missing(has, known=known))
        edit = addition(text, service, lines) if lines else None
        if edit:
            edits[known].append(edit)
            changes |= {(name, key) for key in ("logging", "security_opt") if key not in has}
    if edits[True]:
        yield Step(
            "compose-hardening",
            root.line,
            f"{_count(edits[True])} without v2's log rotation and `no-new-privileges`",
            "both added; no limits, capabilities or read-only file systems",
            tuple(edits[True]),
            frozenset(changes),
        )
    if edits[False]:
        yield Step(
            "compose-other-services",
            root.line,
            f"{_count(edits[False])} beside those that v2 generates",
            "left as they are, with empty `logging` and `security_opt`, as v2 wants both",
            tuple(edits[False]),
            frozenset(changes),
        )


def _count(edits: list[Edit]) -> str:
    return f"{len(edits)} service{'' if len(edits) == 1 else 's'}"


def _missing(has: Mapping[str, Any], *, known: bool) -> Iterator[str]:
    if "logging" not in has:
        yield "logging:" if known else "logging: {}"
        if known:
            yield from ("  driver: json-file", "  options:")
            yield from ('    max-file: "3"', "    max-size: 10m")
    if "security_opt" not in has:
        yield "security_opt:" if known else "security_opt: []"
        if known:
            yield "  - no-new-privileges:true"
