"""The header of a generated file, and the host that a site is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nself_tasks.artifacts.compose_step import Step, newline
from nself_tasks.artifacts.nginx_files import HEADER, ConfFile
from nself_tasks.rewriting.edits import Edit

_SHORT = {
    "nginx-upstream": "static upstream",
    "nginx-proxy": "static addresses",
    "nginx-connection": "WebSocket header",
    "nginx-server-name": "invalid host name",
    "nginx-certificates": "certificate paths",
    "nginx-resolver": "no resolver",
    "nginx-zones": "rate limits",
    "nginx-rates": "rate limits",
    "nginx-sites": "no `sites/`",
}


def header_step(file: ConfFile, others: Iterable[Step], *, names_service: bool) -> Step:
    """Give the change that puts v2's header on top; it sums up the other ones."""
    short = ", ".join(dict.fromkeys(_SHORT[step.rule] for step in others))
    at = 1 if file.text.startswith("\ufeff") else 0
    nl = newline(file.text)
    lines = [HEADER]
    if names_service and (name := _service_name(file)):
        lines.append(f"# Service: {name}")
    return Step(
        "nginx-header",
        1,
        f"v1 format ({short})" if short else "v1 format",
        "rewritten in place, with v2's header",
        (Edit(at, at, "".join(f"{line}{nl}" for line in lines)),),
    )


def _service_name(file: ConfFile) -> str | None:
    """Give the host that the site is for."""
    for directive, _ in file.all():
        if directive.name == "server_name" and directive.args:
            return _repaired(file, directive.args[0].value)
    return None


def server_name_steps(file: ConfFile) -> Iterator[Step]:
    """Give the changes of names that no request can ask for."""
    for directive, _ in file.all():
        for word in directive.args if directive.name == "server_name" else ():
            repaired = _repaired(file, word.value)
            if repaired != word.value:
                yield Step(
                    "nginx-server-name",
                    directive.line,
                    f"`{word.value}` is no host: v1 wrote it for a frontend without a route",
                    f"`{repaired}`, the frontend's own name",
                    (Edit(word.start, word.end, repaired),),
                )


def _repaired(file: ConfFile, name: str) -> str:
    own = file.path.stem.removeprefix("frontend-").replace("_", "-").lower()
    plain = re.fullmatch(r"[a-z0-9-]+", own)
    return own + name[1:] if name.startswith("/.") and plain else name
