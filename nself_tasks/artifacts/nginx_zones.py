"""The rate limits: v2 has all zones in `includes/rate-limits.conf`, some with other rates.

A site that names a zone which is nowhere declared stops nginx: zones are added, never taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nself_tasks.artifacts.compose_step import Step, newline, next_line, start_of_line
from nself_tasks.artifacts.nginx_files import HEADER, MAIN, ZONES, ConfFile, zone_name
from nself_tasks.artifacts.nginx_setting import Setting
from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.nginx_tokens import Directive

INCLUDE = f"include /etc/nginx/{ZONES.relative_to('nginx')};"
_RATES = {
    "general": "2r/s",
    "graphql_api": "100r/m",
    "auth": "30r/m",
    "uploads": "5r/m",
    "static": "1000r/m",
    "webhooks": "30r/s",
    "functions": "50r/m",
    "user_api": "1000r/m",
    "api": "30r/s",
    "auth_strict": "5r/s",
    "ai": "10r/s",
    "webhook": "100r/s",
    "tenant_api": "30r/s",
    "tenant_ai": "10r/s",
}
"""v2's zones."""
_KEYS = {
    "user_api": "$http_authorization",
    "tenant_api": "$http_x_tenant_id",
    "tenant_ai": "$http_x_tenant_id",
}
_V1_RATES = {"general": "10r/s", "auth": "10r/m", "webhooks": "30r/m", "api": "100r/s"}
_CONNECTIONS = {"conn_limit_per_ip": "$binary_remote_addr", "conn_limit_server": "$server_name"}
_STATUSES = ("limit_req_status", "limit_conn_status")


@dataclass(frozen=True, slots=True)
class Zones:
    """What becomes of the zones in `nginx.conf` and in the file of their own."""

    inline: tuple[Directive, ...] = ()
    """The lines of `nginx.conf` that go into the file."""
    created: str | None = None
    """The new file's text, where there was none."""
    missing_include: bool = False


def zones(around: Setting) -> Zones:
    """Work out what becomes of the zones; nothing where nginx could not read the file."""
    http, file = around.http, around.files.get(ZONES)
    if http is None or not around.upgrades_main or not around.mounts("includes"):
        return Zones()
    if file and file.origin == "hand":
        return Zones()
    included = any(f"{d.name} {' '.join(d.values())};" == INCLUDE for d in http.block or ())
    if file is None and (included or ZONES in around.known):
        return Zones()
    inline = [d for d in http.block or () if _is_default(d)]
    if file is not None:
        there = {zone_name(d) for d in file.tree}
        if not included and any(
            zone_name(d) in there - {None} for d in set(http.block or ()) - set(inline)
        ):
            # nginx takes no zone twice, and the rate in the main file is somebody's choice.
            return Zones()
        return Zones(tuple(d for d in inline if zone_name(d) in there), None, not included)
    lines = _missing(around, frozenset(map(zone_name, inline)))
    text = "".join(f"{line}\n" for line in (HEADER, "# Rate limiting zones", "", *lines))
    return Zones(tuple(inline), text, not included)


def zone_file_steps(file: ConfFile, around: Setting) -> Iterator[Step]:
    """Give the changes of an existing file of zones."""
    if file.origin != "v1":
        return
    by_hand = " ".join(other.text for other in around.by_hand())
    rates = [
        (directive, Edit(word.start, word.end, f"rate={_RATES[name]}"))
        for directive in file.tree
        if (name := zone_name(directive) or "") in _RATES and f"zone={name}" not in by_hand
        for word in directive.args
        if word.value == f"rate={_V1_RATES.get(name)}"
    ]
    if rates:
        names = ", ".join(f"`{zone_name(d)}`" for d, _ in rates)
        yield Step(
            "nginx-rates",
            rates[0][0].line,
            f"v1's rates of {names}",
            "; ".join(f"{zone_name(d)} {_RATES[zone_name(d) or '']}" for d, _ in rates),
            tuple(edit for _, edit in rates),
        )
    lines = list(_missing(around, frozenset()))
    if lines and file.tree:
        last = file.tree[-1]
        gap = newline(file.text)
        yield Step(
            "nginx-zones",
            last.line,
            f"{len(lines)} of v2's rate limits are missing",
            "added; what is there stays",
            (Edit(last.end, last.end, "".join(f"{gap}{line}" for line in lines)),),
        )


def _missing(around: Setting, going: frozenset[str | None]) -> Iterator[str]:
    """Give the lines of v2 that no file has; the zones `going` are about to be taken out."""
    http = around.http
    main = (http.block or ()) if http else ()
    others = [d for path, f in around.files.items() if path != MAIN for d in f.tree]
    declared = [*main, *others]
    names = {(d.name, zone_name(d)) for d in declared}
    names -= {("limit_req_zone", name) for name in going}
    for name, rate in _RATES.items():
        if ("limit_req_zone", name) not in names:
            key = _KEYS.get(name, "$binary_remote_addr")
            yield f"limit_req_zone {key} zone={name}:10m rate={rate};"
    for name, key in _CONNECTIONS.items():
        if ("limit_conn_zone", name) not in names:
            yield f"limit_conn_zone {key} zone={name}:10m;"
    for status in _STATUSES:
        if not any(d.name == status for d in declared):
            yield f"{status} 429;"


def _is_default(directive: Directive) -> bool:
    """Tell whether a line of `nginx.conf` is one that v1 wrote there, with v1's or v2's rate."""
    name = zone_name(directive)
    rates = {f"rate={_V1_RATES.get(name or '')}", f"rate={_RATES.get(name or '')}"}
    return (
        directive.name == "limit_req_zone"
        and name in _RATES
        and any(value in rates for value in directive.values())
    )


def taken_out(text: str, directive: Directive) -> Edit:
    """Take one line of `nginx.conf` out, or only the directive where the line has more."""
    start, end = start_of_line(text, directive.start), next_line(text, directive.end)
    alone = not text[start : directive.start].strip() and not text[directive.end : end].strip()
    return Edit(start, end, "") if alone else Edit(directive.start, directive.end, "")
