"""`nginx.conf`: v2's resolver, the map for WebSockets, and the folders that it reads.

It stays where it is: inside of `sites/`, which it includes, it would be `http` within `http`.
"""

from __future__ import annotations

from collections.abc import Iterator

from nself_tasks.artifacts.compose_step import Step, newline, start_of_line
from nself_tasks.artifacts.nginx_files import ConfFile
from nself_tasks.artifacts.nginx_setting import Setting
from nself_tasks.artifacts.nginx_sites import RESOLVER_LINE
from nself_tasks.artifacts.nginx_zones import INCLUDE, Zones, taken_out
from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.nginx_tokens import Directive

SITES = "include /etc/nginx/sites/*.conf;"
_MAP = (
    "map $http_upgrade $connection_upgrade {",
    "    default upgrade;",
    "    ''      close;",
    "}",
)


def main_steps(file: ConfFile, around: Setting, zones: Zones) -> Iterator[Step]:
    """Give the changes of the main file, its header aside."""
    http = around.http
    if http is None or not around.upgrades_main:
        return
    inside = http.block or ()
    includes = [d for d in inside if d.name == "include" and d.values()[:1] != (_MIME,)]
    folder = next(d for d in includes if d.values() == ("/etc/nginx/conf.d/*.conf",))
    yield from _provided(file, around, inside, includes[0])
    yield from _zones(file, zones, folder)
    written = any(f"include {' '.join(d.values())};" == SITES for d in includes)
    if around.has_sites and not written:
        gap = _gap(file.text, folder)
        yield Step(
            "nginx-sites",
            folder.line,
            "reads no `sites/`",
            "reads `nginx/sites/` after `nginx/conf.d/`",
            (Edit(folder.end, folder.end, f"{gap}{SITES}"),),
        )


_MIME = "/etc/nginx/mime.types"


def _provided(
    file: ConfFile, around: Setting, inside: tuple[Directive, ...], before: Directive
) -> Iterator[Step]:
    """Add what v2's sites need of `http`, where nothing else provides it."""
    lines: list[str] = []
    if not around.needs_own_resolver and not any(d.name == "resolver" for d in inside):
        lines += ["# Names of services are looked up when a request comes in.", RESOLVER_LINE]
    if not around.maps_upgrade:
        lines += _MAP
    if lines:
        gap = _gap(file.text, before)
        at = _above(file.text, before.start)
        yield Step(
            "nginx-resolver",
            before.line,
            "without the resolver and the WebSocket map of v2",
            "both added",
            (Edit(at, at, "".join(f"{line}{gap}" for line in lines)),),
        )


def _zones(file: ConfFile, zones: Zones, folder: Directive) -> Iterator[Step]:
    edits = [taken_out(file.text, directive) for directive in zones.inline]
    if zones.missing_include:
        at = folder.start
        if zones.inline:
            at = zones.inline[0].start
            edits[0] = Edit(at, zones.inline[0].end, INCLUDE)
        else:
            edits.append(Edit(at, at, f"{INCLUDE}{_gap(file.text, folder)}"))
    if edits:
        line = (zones.inline[0] if zones.inline else folder).line
        yield Step(
            "nginx-zones",
            line,
            "rate limits in the main file" if zones.inline else "reads no rate limits of v2",
            "read from `nginx/includes/rate-limits.conf`",
            tuple(edits),
        )


def _above(text: str, at: int) -> int:
    """Give where the comment begins that stands right above a directive."""
    start = start_of_line(text, at)
    if text[start:at].strip():
        return at
    while start:
        line = start_of_line(text, start - 1)
        if not text[line:start].lstrip().startswith("#"):
            break
        at = line + len(text[line:start]) - len(text[line:start].lstrip())
        start = line
    return at


def _gap(text: str, directive: Directive) -> str:
    indent = text[start_of_line(text, directive.start) : directive.start]
    return newline(text) + indent if not indent.strip() else " "
