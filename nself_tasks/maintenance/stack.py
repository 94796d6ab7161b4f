"""nginx in the compose stack: is it there, does it accept its files, read them again."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks import compose_exec
from nself_tasks.maintenance.service import NGINX

if TYPE_CHECKING:
    from nself_tasks.settings import Settings

SECONDS = 30.0
"""How long one call may take; `docker` without an engine may wait for it."""


@dataclass(frozen=True)
class Stack:
    """How to speak to the nginx of a project."""

    names: tuple[str, ...]
    """What the stack may be called, the likeliest first."""
    root: Path

    @cached_property
    def _found(self) -> compose_exec.Stack | None:
        return compose_exec.running(self.names, self.root, service=NGINX)

    @property
    def commands(self) -> tuple[str, str]:
        """What a person types to check nginx's files and to have them read again."""
        # Sought before it is said: one that runs is called by the name that it runs under.
        name = self._found.name if self._found else next(iter(self.names), None)
        named = ["--project-name", name] if name else []
        told = shlex.join(["docker", "compose", *named, "exec", "-T", NGINX, "nginx"])
        return f"{told} -t", f"{told} -s reload"

    def why_silent(self) -> str | None:
        """Give why no nginx of the stack can be spoken to, or None where one answers."""
        if self._found is not None:
            return None
        if compose_exec.docker_program() is None:
            return "there is no `docker` on PATH"
        names = ", ".join(f"`{name}`" for name in self.names)
        return f"no running `{NGINX}` of this project's stack is known to `docker` ({names})"

    def objections(self) -> str | None:
        """Give what nginx says against its files, or None where it accepts them."""
        code, output = self._call("-t")
        if code == 0:
            return None
        lines = [line for line in output.splitlines() if "[warn]" not in line]
        return "\n".join(lines) or f"`nginx -t` ended with {code}"

    def reload(self) -> str | None:
        """Have nginx read its files again; gives why it did not."""
        code, output = self._call("-s", "reload")
        if code == 0:
            return None
        return next(reversed(output.splitlines()), f"`nginx -s reload` ended with {code}")

    def _call(self, *arguments: str) -> tuple[int, str]:
        assert self._found is not None, "asked only where one answers"
        try:
            done = self._found.run("nginx", *arguments, seconds=SECONDS, stdout=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            return 1, f"`docker` did not answer within {SECONDS:g} seconds"
        except OSError as error:
            return 1, f"`docker` cannot be called: {error.strerror}"
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace").strip()


def stack_of(settings: Settings) -> Stack:
    """Give how to speak to the nginx of a project: by the stack's name alone, as for Postgres."""
    return Stack(compose_exec.stack_names(settings), settings.project.root)
