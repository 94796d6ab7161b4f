"""A generated site of v1 as v2 has it: names are looked up when a request comes in.

    upstream hasura { server hasura:8080; }
    proxy_pass http://hasura;                ->  set $up_up_hasura http://hasura:8080;
                                                 proxy_pass $up_up_hasura;

A static address goes on being used after the container got another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nself_tasks.artifacts.compose_step import Step, newline, next_line, start_of_line
from nself_tasks.artifacts.nginx_files import HOST, URL, ConfFile, upstreams
from nself_tasks.artifacts.nginx_names import server_name_steps
from nself_tasks.artifacts.nginx_setting import RESOLVER, Setting
from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.nginx_tokens import Directive, Word

RESOLVER_LINE = f"resolver {RESOLVER} valid=10s;"


def site_steps(file: ConfFile, around: Setting) -> Iterator[Step]:
    """Give the changes of a generated site, its header aside."""
    pooled = _free_upstreams(file, around)
    passes = list(_passes(file, around, pooled))
    if passes:
        named = sorted({target for _, _, target in passes})
        yield Step(
            "nginx-proxy",
            passes[0][0].line,
            f"passes requests to {', '.join(f'`{n}`' for n in named)} by an address looked up once",
            "looked up for every request, so that it still answers when a container is made anew",
            tuple(edit for _, edits, _ in passes for edit in edits),
        )
    yield from _unused(file, pooled, around)
    if file.origin == "v1":
        yield from _connection(file, around)
        yield from server_name_steps(file)


def left_static(file: ConfFile, around: Setting) -> Iterator[Directive]:
    """Give the `proxy_pass` lines with a service's name that cannot be changed safely."""
    pooled = _free_upstreams(file, around)
    done = {directive for directive, _, _ in _passes(file, around, pooled)}
    for directive, _ in file.all():
        match = _literal(directive)
        if match and directive not in done:
            host = pooled.get(match["host"], match["host"]).partition(":")[0]
            if host != HOST and around.reaches(_renamed(host, around)):
                yield directive


def _upstreams(file: ConfFile, around: Setting) -> Mapping[str, str]:
    """Give all generated upstreams: nginx knows them in every file."""
    files = [f for f in around.files.values() if f.origin != "hand"]
    return {name: a for f in (*files, file) for name, a in upstreams(f.tree).items()}


def _free_upstreams(file: ConfFile, around: Setting) -> Mapping[str, str]:
    """Give the static upstreams that no hand-written file passes requests to."""
    kept = "\n".join(other.text for other in around.by_hand())
    return {
        name: address
        for name, address in _upstreams(file, around).items()
        if not re.search(rf"https?://{re.escape(name)}(?![\w.:-])", kept)
        and around.reaches(_renamed(address.partition(":")[0], around))
    }


def _passes(
    file: ConfFile, around: Setting, pooled: Mapping[str, str]
) -> Iterator[tuple[Directive, tuple[Edit, ...], str]]:
    """Give each `proxy_pass` that changes, with its edits and its target."""
    held = _upstreams(file, around).keys() - pooled.keys()
    if any(d.name == "proxy_redirect" and d.values() == ("default",) for d, _ in file.all()):
        # nginx refuses the two together.
        return
    for directive, parent in file.all():
        match = _literal(directive)
        if match is None or parent is None or match["host"] in held:
            continue
        # With a variable in it the path is what the service gets as it is, with any host.
        is_whole = "$" in (match["path"] or "")
        if not (parent.name == "location" if is_whole else _is_plain(parent)):
            continue
        host, _, port = pooled.get(match["host"], match["host"]).partition(":")
        port = (match["port"] or "").removeprefix(":") or port
        host = _renamed(host, around)
        path = match["path"]
        # Another path is put in the place of the location's; after a variable it would replace all.
        if not around.reaches(host) or not (is_whole or not path or _is_same(parent, path)):
            continue
        target = f"{host}:{port}" if port else host
        variable = f"$up_up_{re.sub(r'[^a-z0-9]', '_', host.lower())}"
        lines = [f"set {variable} {match['scheme']}{target};"]
        if around.needs_own_resolver and not _has_resolver(file, parent):
            lines.insert(0, RESOLVER_LINE)
        # A `set` after a rewrite may not be carried out: the first directive is.
        at = min(d.start for d in parent.block or ()) if is_whole else directive.start
        gap = _gap(file.text, at)
        start, end = directive.args[0].start, directive.args[0].end
        if is_whole:
            start = file.text.index(match["scheme"], start, end)
            end = start + match.start("path")
        edits = (
            Edit(at, at, "".join(f"{line}{gap}" for line in lines)),
            Edit(start, end, variable),
        )
        yield directive, edits, target


def _literal(directive: Directive) -> re.Match[str] | None:
    if directive.name != "proxy_pass" or len(directive.args) != 1:
        return None
    return URL.fullmatch(directive.args[0].value)


def _is_plain(block: Directive) -> bool:
    """Tell whether a `set` in the block is always carried out; after a rewrite it may not be."""
    stops = ("rewrite", "break", "return", "if")
    return block.name == "location" and not any(d.name in stops for d in block.block or ())


def _is_same(location: Directive, path: str) -> bool:
    """Tell whether the path is the location's own, so that leaving it out changes nothing."""
    *modifier, prefix = location.values() or ("",)
    return prefix == path and modifier in ([], ["="], ["^~"])


def _renamed(host: str, around: Setting) -> str:
    """Give the name that the service has after the upgrade of the compose file."""
    gone = host == "mailhog" and host not in around.services and "mailpit" in around.services
    return "mailpit" if gone else host


def _has_resolver(file: ConfFile, location: Directive) -> bool:
    around = [location, *(d for d in file.tree if d.start <= location.start < d.end)]
    return any(inner.name == "resolver" for block in around for inner in block.block or ())


def _gap(text: str, at: int) -> str:
    """Give what separates a new directive from the one that stands here."""
    indent = text[start_of_line(text, at) : at]
    return newline(text) + indent if not indent.strip() else " "


def _still_used(file: ConfFile, around: Setting, pooled: Mapping[str, str]) -> set[str]:
    """Give the hosts of the generated files' `proxy_pass` lines that stay as they are."""
    found: set[str] = set()
    for each in (*(f for f in around.files.values() if f.origin != "hand"), file):
        done = {directive for directive, _, _ in _passes(each, around, pooled)}
        stay = (_literal(d) for d, _ in each.all() if d not in done)
        found.update(match["host"] for match in stay if match)
    return found


def _unused(file: ConfFile, pooled: Mapping[str, str], around: Setting) -> Iterator[Step]:
    names = {d.args[0].value for d in file.tree if d.name == "upstream"} & pooled.keys()
    if names:
        names -= _still_used(file, around, pooled)
    blocks = [d for d in file.tree if d.name == "upstream" and d.args[0].value in names]
    if blocks:
        yield Step(
            "nginx-upstream",
            blocks[0].line,
            f"static upstream {', '.join(f'`{d.args[0].value}`' for d in blocks)}",
            "taken out, its address is where it is used",
            tuple(_whole_lines(file.text, block) for block in blocks),
        )


def _whole_lines(text: str, block: Directive) -> Edit:
    """Take a block out with the blank lines after it, where it has its lines for itself."""
    start, end = start_of_line(text, block.start), next_line(text, block.end)
    if text[start : block.start].strip() or text[block.end : end].strip():
        return Edit(block.start, block.end, "")
    while end < len(text) and not text[end : next_line(text, end)].strip():
        end = next_line(text, end)
    return Edit(start, end, "")


def _connection(file: ConfFile, around: Setting) -> Iterator[Step]:
    found: list[Word] = [
        directive.args[1]
        for directive, _ in file.all()
        if directive.name == "proxy_set_header"
        and [value.lower() for value in directive.values()] == ["connection", "upgrade"]
    ]
    if found and around.has_upgrade_map:
        line = file.text.count("\n", 0, found[0].start) + 1
        yield Step(
            "nginx-connection",
            line,
            "asks for a WebSocket on every request",
            "`$connection_upgrade`: only where the client does",
            tuple(Edit(word.start, word.end, "$connection_upgrade") for word in found),
        )
