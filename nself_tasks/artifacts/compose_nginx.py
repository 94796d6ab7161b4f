"""The nginx service: what it mounts where, and where its cache is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.compose_step import (
    Step,
    addition,
    items_of,
    newline,
    removed_line,
    replaced,
)
from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.yaml_spans import Node

_MOUNTED = ("sites", "includes")
"""Folders below nginx/ that v2's sites live in; 0.1 to 0.3 had neither."""


def nginx_steps(text: str, root: Node, used: Used) -> Iterator[Step]:
    """Give the changes of the service `nginx`, if there is one."""
    found = signals.services(root)
    if "nginx" in found:
        yield from _certificates(found["nginx"])
        yield from _sites(text, found["nginx"])
        yield from _cache(text, root, found, used)


def _certificates(nginx: Node) -> Iterator[Step]:
    for item in items_of(nginx, "volumes"):
        source, sign, rest = item.value.partition(":")
        if source in ("./ssl/certificates", "./nginx/ssl") and rest.startswith("/etc/nginx/ssl"):
            yield Step(
                "compose-certificates",
                item.line,
                f"certificates mounted from `{source}`",
                "mounted from `./ssl`, where v2's sites expect them below `certificates/`",
                tuple(replaced(item, f"./ssl{sign}{rest}")),
                frozenset({("nginx", "volumes")}),
            )


def _sites(text: str, nginx: Node) -> Iterator[Step]:
    """Mount the folders of v2's sites where the v1 file has only `conf.d`."""
    mounts = nginx.get("volumes")
    items = items_of(nginx, "volumes")
    sources = {item.value.partition(":")[0] for item in items}
    missing = [name for name in _MOUNTED if f"./nginx/{name}" not in sources]
    if mounts is None or not missing or "./nginx/conf.d" not in sources:
        return
    lines = [f"./nginx/{name}:/etc/nginx/{name}:ro" for name in missing]
    if mounts.style == "{":
        edit = Edit(items[0].start, items[0].start, "".join(f"{line}, " for line in lines))
    else:
        gap = newline(text) + " " * mounts.column
        kept = next((item for item in items if not item.value.startswith("nginx_cache")), items[0])
        at = text.rindex("-", 0, kept.start)
        edit = Edit(at, at, "".join(f"- {line}{gap}" for line in lines))
    yield Step(
        "compose-sites",
        mounts.line,
        "nginx without `sites/`",
        f"{' and '.join(f'`nginx/{name}`' for name in missing)} mounted as well",
        (edit,),
        frozenset({("nginx", "volumes")}),
    )


def _cache(text: str, root: Node, found: Mapping[str, Node], used: Used) -> Iterator[Step]:
    """Put nginx's cache into memory as v2 does; the volume holds nothing else."""
    nginx, volumes = found["nginx"], root.get("volumes")
    key = volumes.key("nginx_cache") if volumes and volumes.style != "{" else None
    items = items_of(nginx, "volumes")
    mounts = [item for item in items if item.value == "nginx_cache:/var/cache/nginx"]
    named = [node for node in root.walk() if node.value.startswith("nginx_cache")]
    block = (nginx.get("volumes") or nginx).style != "{" and nginx.style != "{"
    if not (volumes and key and len(mounts) == 1 and len(named) == 2 and block):
        return
    spec = volumes.get("nginx_cache")
    if used.names_elsewhere("nginx_cache"):
        return
    if nginx.key("tmpfs") or len(items) < 2 or len(volumes.pairs) < 2 or not _is_plain(spec):
        return
    last = max(key.end, spec.end if spec and spec.pairs else 0)
    gone = ("", f"volumes {used.project}_nginx_cache")
    tmpfs = addition(text, nginx, ["tmpfs:", "  - /var/cache/nginx"])
    if tmpfs:
        yield Step(
            "compose-nginx-cache",
            mounts[0].line,
            "nginx's cache in a volume",
            "kept in memory (`tmpfs`); the volume `nginx_cache` is not used any more",
            (
                removed_line(text, mounts[0].start, mounts[0].end),
                removed_line(text, key.start, last),
                tmpfs,
            ),
            frozenset({("nginx", "volumes"), ("nginx", "tmpfs"), gone}),
        )


def _is_plain(spec: Node | None) -> bool:
    return spec is None or (spec.bare and {key.value for key, _ in spec.pairs} <= {"driver"})
