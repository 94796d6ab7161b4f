"""Finds the project's Compose stack and runs programs in its containers, by `docker compose exec`.

The stack is addressed by its name alone, from `/`: a compose file or an `.env` of the project would
be read and interpolated otherwise, and decide what Docker is told.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_tasks.artifacts.compose_formulas import expanded
from nself_tasks.artifacts.compose_project import Used, used
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.yaml_spans import Node

if TYPE_CHECKING:
    from nself_tasks.settings import Settings

POSTGRES = "postgres"
"""The service of the database, in every era."""
ASK_SECONDS = 10.0
"""An engine that does not say in this time whether a service runs is no use."""

_VALID = re.compile(r"[a-z0-9][a-z0-9_-]*")
_STARTED_FROM = re.compile(r"com\.docker\.compose\.project\.working_dir=([^,]*)")


@dataclass(frozen=True, slots=True)
class Stack:
    """A Compose project of which one service runs."""

    docker: str
    """The full path of the program."""
    name: str
    service: str = POSTGRES

    def command(self, *words: str, environment: Sequence[str] = ()) -> list[str]:
        """Give the argument list that runs `words` in the service's container.

        `environment` names the variables that go along; their values are never arguments.
        """
        passed = [part for name in environment for part in ("-e", name)]
        return [*_compose(self.docker, self.name), "exec", "-T", *passed, self.service, *words]

    def run(
        self,
        *words: str,
        seconds: float | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program in the container. Raises OSError and subprocess.TimeoutExpired."""
        given = environment or {}
        return subprocess.run(
            self.command(*words, environment=tuple(given)),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=docker_environment() | dict(given),
            cwd="/",
            timeout=seconds,
            check=False,
        )


def docker_environment() -> dict[str, str]:
    """Give what `docker` sees of our environment: all but what would change which stack is meant.

    libpq's variables do not reach a container anyway, unless one is named.
    """
    return {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE_", "PG"))}


def docker_program() -> str | None:
    """Give the full path of `docker`, if it is on PATH."""
    found = shutil.which("docker")
    return str(Path(found).absolute()) if found else None


def stack_of(settings: Settings) -> Stack | None:
    """Give the project's stack where its `postgres` runs; None without Docker, or without it."""
    return running(stack_names(settings), settings.project.root)


def running(names: Sequence[str], root: Path, *, service: str = POSTGRES) -> Stack | None:
    """Give the first stack of these names that runs the service and was started in `root`.

    Two projects of one name cannot be told apart by it; where Compose says from which folder the
    containers were started, another folder's stack is not this project's.
    """
    docker = docker_program()
    if docker is None:
        return None
    try:
        for name in names:
            found = _containers(docker, name, service)
            if any(_is_ours(container, service, root) for container in found):
                return Stack(docker, name, service)
    except subprocess.TimeoutExpired:
        # An engine that hangs would hang for every other name too.
        return None
    return None


def _is_ours(container: Mapping[str, Any], service: str, root: Path) -> bool:
    if container.get("Service") != service or container.get("State") != "running":
        return False
    folder = _STARTED_FROM.search(str(container.get("Labels", "")))
    return folder is None or os.path.realpath(folder[1]) == os.path.realpath(root)


def _compose(docker: str, name: str) -> list[str]:
    return [docker, "compose", "--project-name", name]


def _containers(docker: str, name: str, service: str) -> list[Mapping[str, Any]]:
    """Give what `ps` says of the running service; nothing where Docker does not know it.

    Raises subprocess.TimeoutExpired.
    """
    try:
        done = subprocess.run(
            [*_compose(docker, name), "ps", "--format", "json", service],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=docker_environment(),
            cwd="/",
            timeout=ASK_SECONDS,
            check=False,
        )
        said = done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
        # Compose up to 2.20 prints one array, later ones an object a line.
        found = json.loads(said) if said.startswith("[") else map(json.loads, said.splitlines())
        return [one for one in found if isinstance(one, dict)]
    except (OSError, ValueError):
        return []


def stack_names(settings: Settings) -> tuple[str, ...]:
    """Give the names that the project's stack may have, the likeliest first.

    COMPOSE_PROJECT_NAME of the process wins, as in Compose; then what v1 called it by, or what the
    files of v2 say; then PROJECT_NAME, and the folder's name, which Compose takes by itself.
    """
    found = (name.strip() for name in _named(settings) if name)
    return tuple(dict.fromkeys(name for name in found if _VALID.fullmatch(name)))


def _named(settings: Settings) -> Iterator[str | None]:
    yield settings.environ.get("COMPOSE_PROJECT_NAME")
    from nself_tasks.evidence import artifact_evidence

    values = settings.cascade.values
    evidence = artifact_evidence(settings.project)
    text = evidence.text("docker-compose.yml")
    root = yaml_spans.read(text) if text is not None else None
    if text is not None and isinstance(root, Node):
        if settings.era == "v1" and (name := _of_v1(evidence, text, root)):
            yield name
        yield values.get("COMPOSE_PROJECT_NAME")
        written = root.get("name")
        yield expanded(written.value, values) if written is not None else None
    yield values.get("PROJECT_NAME")
    yield re.sub(r"[^a-z0-9_-]", "", settings.project.root.name.lower()).lstrip("_-")


def _of_v1(evidence: Evidence, text: str, root: Node) -> str | None:
    found = used(evidence, text, root)
    return found.project if isinstance(found, Used) else None
