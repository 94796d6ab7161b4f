"""What nginx reads, in its order: its main file, the folders that it includes, their servers.

The compose file says which of the container's paths is which of the project's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from nself_tasks.discovery import COMPOSE_FILES, Project
from nself_tasks.errors import GuardError, InputError, Problem
from nself_tasks.maintenance.service import Service, read_service
from nself_tasks.maintenance.snippet import NAME
from nself_tasks.project import leaves, read_small
from nself_tasks.rewriting import nginx_tokens
from nself_tasks.rewriting.nginx_tokens import Directive

MAIN = PurePosixPath("/etc/nginx/nginx.conf")
DEEPEST = 8
"""Files that include each other."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A directive with the file that it stands in."""

    directive: Directive
    text: str
    path: PurePosixPath

    @property
    def written(self) -> str:
        """The directive word for word, with plain line ends."""
        return self.text[self.directive.start : self.directive.end].replace("\r\n", "\n")


@dataclass(frozen=True, slots=True)
class Server:
    """A server block with what its own includes bring in."""

    placed: Placed
    inside: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """nginx's tree as the project has it."""

    service: Service
    servers: tuple[Server, ...]
    folder: Path
    """Where our file belongs: the first folder that nginx reads whole."""


def read_layout(project: Project, lookup: Callable[[str], str | None]) -> Layout:
    """Give nginx's tree; `lookup` gives the variables of the compose file.

    Raises GuardError where there is none that maintenance can reach, InputError for a file that
    cannot be read.
    """
    service = read_service(project, _compose(project), lookup)
    reader = _Reader(project, service)
    servers = tuple(reader.all())
    if reader.folder is None:
        raise GuardError(
            "nginx reads no folder of this project in which every server could be answered for",
            hint="mount one, and include it in `nginx.conf` before all servers:"
            " `include /etc/nginx/conf.d/*.conf;`",
            database="unchanged",
        )
    if reader.before:
        raise GuardError(
            "nginx reads servers before any file that maintenance could add",
            problems=[Problem("would go on answering", *place) for place in reader.before],
            hint=f"move them into a file that is read after `{reader.folder / NAME}`",
            database="unchanged",
        )
    return Layout(service, servers, reader.folder)


def _compose(project: Project) -> Path:
    found = next((p for name in COMPOSE_FILES if (p := project.root / name).is_file()), None)
    if found is None:
        raise GuardError(
            "the project has no compose file, which says where nginx reads its files",
            database="unchanged",
        )
    return found


class _Reader:
    """Follows the includes from the main file on."""

    def __init__(self, project: Project, service: Service) -> None:
        self.project, self.service = project, service
        self.folder: Path | None = None
        self.before: list[tuple[str, int]] = []

    def all(self) -> Iterator[Server]:
        """Give every server in nginx's order."""
        main = self.service.on_disk(MAIN)
        if main is None or not main.is_file():
            raise GuardError(
                "the compose file mounts no `nginx.conf` of this project",
                hint="maintenance works where the project has nginx's files",
                database="unchanged",
            )
        for placed in self._read(main):
            if placed.directive.name == "http":
                inner = placed.directive.block or ()
                yield from self._servers(
                    [Placed(d, placed.text, placed.path) for d in inner], main, 0
                )

    def _servers(self, found: list[Placed], file: Path, depth: int) -> Iterator[Server]:
        for placed in found:
            if placed.directive.name == "server":
                if self.folder is None or (file.parent == self.folder and file.name < NAME):
                    self.before.append((str(placed.path), placed.directive.line))
                yield Server(placed, tuple(self._inside(placed, 0)))
            elif placed.directive.name == "include" and depth < DEEPEST:
                for path in self._included(placed, outer=True):
                    yield from self._servers(self._read(path), path, depth + 1)

    def _inside(self, placed: Placed, depth: int) -> Iterator[Placed]:
        """Give what stands in a block, and in the place of an include what that file has."""
        for directive in placed.directive.block or ():
            here = Placed(directive, placed.text, placed.path)
            files = self._included(here, outer=False) if directive.name == "include" else []
            if depth >= DEEPEST or not files:
                yield here
            for path in files:
                for inner in self._read(path):
                    block = Directive("", (), 0, 0, 0, (inner.directive,))
                    yield from self._inside(Placed(block, inner.text, inner.path), depth + 1)

    def _included(self, placed: Placed, *, outer: bool) -> list[Path]:
        """Give the project's files that an include means, as nginx sorts them."""
        values = placed.directive.values()
        pattern = PurePosixPath(values[0]) if values else MAIN
        folder = self.service.on_disk(MAIN.parent / pattern.parent)
        if folder is None or not folder.is_dir() or leaves(folder, self.project.repo_root):
            single = self.service.on_disk(MAIN.parent / pattern)
            return [single] if single is not None and single.is_file() else []
        if outer and self.folder is None and fnmatchcase(NAME, pattern.name):
            self.folder = folder
        # A name that begins with a dot is not meant by a star; the bytes decide the order.
        names = sorted(os.fsencode(p.name) for p in folder.iterdir() if p.is_file())
        found = [os.fsdecode(name) for name in names]
        fit = [n for n in found if fnmatchcase(n, pattern.name) and not n.startswith(".")]
        return [folder / name for name in fit if name != NAME]

    def _read(self, path: Path) -> list[Placed]:
        shown = self.project.shown(path)
        if leaves(path, self.project.repo_root):
            raise InputError(f"`{shown}` leads out of the project", database="unchanged")
        text = read_small(path) or ""
        tree = nginx_tokens.read(text)
        if isinstance(tree, Problem):
            raise InputError(
                "a file of nginx cannot be read",
                problems=[Problem(tree.message, str(shown), tree.line)],
                hint="mend it first: nginx would refuse it as well",
                database="unchanged",
            )
        return [Placed(directive, text, shown) for directive in tree]
