"""The service `nginx` of a compose file: what it mounts where, and on which ports it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nself_tasks.discovery import Project
from nself_tasks.errors import GuardError, InputError, Problem
from nself_tasks.project import leaves, read_small
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.expansion import Budget, expand
from nself_tasks.rewriting.yaml_spans import Node

NGINX = "nginx"
_PORT = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:]+\]|[^:]*):)?(?P<published>\d+):(?P<target>\d+)(?:/tcp)?"
)


@dataclass(frozen=True, slots=True)
class Service:
    """What the compose file says of nginx."""

    mounts: tuple[tuple[Path, PurePosixPath], ...]
    ports: tuple[tuple[int, str, int], ...]
    """Port in the container; address and port on this machine."""
    on_host: bool = False
    """Whether it uses this machine's own network."""

    def on_disk(self, path: PurePosixPath) -> Path | None:
        """Give the project's path of one in the container, by the longest mount."""
        fitting = [(s, t) for s, t in self.mounts if path == t or path.is_relative_to(t)]
        if not fitting:
            return None
        source, target = max(fitting, key=lambda pair: len(pair[1].parts))
        return source / path.relative_to(target) if path != target else source

    def published(self, port: int) -> tuple[str, int] | None:
        """Give where a port of the container answers on this machine."""
        if self.on_host:
            return "127.0.0.1", port
        return next(((ip, here) for inner, ip, here in self.ports if inner == port), None)


def read_service(project: Project, path: Path, lookup: Callable[[str], str | None]) -> Service:
    """Give what a compose file says of nginx. Raises GuardError, InputError."""
    shown = project.shown(path)
    if leaves(path, project.repo_root):
        raise InputError(f"`{shown}` leads out of the project", database="unchanged")
    root = yaml_spans.read(read_small(path) or "")
    if isinstance(root, Problem):
        raise InputError(
            f"`{shown}` cannot be read",
            problems=[Problem(root.message, str(shown), root.line)],
            database="unchanged",
        )
    services = root.get("services") if root else None
    nginx = services.get(NGINX) if services else None
    if nginx is None:
        raise GuardError(
            f"`{shown}` has no service `{NGINX}`: there is no site to put into maintenance",
            database="unchanged",
        )
    budget = Budget()

    def text(node: Node | None) -> str:
        return expand(node.value, lookup, budget) if node and node.kind == "scalar" else ""

    mounts = tuple(_mounts(project, nginx.get("volumes"), text))
    mode = text(nginx.get("network_mode"))
    return Service(mounts, tuple(_ports(nginx.get("ports"), text)), mode == "host")


_Text = Callable[["Node | None"], str]


def _mounts(
    project: Project, node: Node | None, text: _Text
) -> Iterator[tuple[Path, PurePosixPath]]:
    for item in node.items if node else ():
        if item.pairs:
            source, target = text(item.get("source")), text(item.get("target"))
        else:
            source, _, rest = text(item).partition(":")
            target = rest.partition(":")[0]
        # A name without a slash is a volume, which is no part of the project.
        if target.startswith("/") and source.startswith(("./", "../", "/", "~")):
            whole = project.root / source
            if not leaves(whole, project.repo_root):
                yield whole, PurePosixPath(target)


def _ports(node: Node | None, text: _Text) -> Iterator[tuple[int, str, int]]:
    for item in node.items if node else ():
        if item.pairs:
            ip = text(item.get("host_ip"))
            both = f"{text(item.get('published'))}:{text(item.get('target'))}"
            shown = f"{ip}:{both}" if ip else both
        else:
            shown = text(item)
        if found := _PORT.fullmatch(shown):
            ip = (found["ip"] or "").strip("[]")
            everywhere = ip in ("", "0.0.0.0", "::")
            yield int(found["target"]), "127.0.0.1" if everywhere else ip, int(found["published"])
