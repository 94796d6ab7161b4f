"""What of a server block has to be repeated, so that ours answers in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nself_tasks.maintenance.layout import Placed, Server
from nself_tasks.maintenance.snippet import Block

_KINDS = frozenset({"ssl", "http2", "quic", "proxy_protocol"})
"""What `listen` says of the protocol. Of the socket's options nginx takes one set only, and
`default_server` stays where it is."""
_OF_THE_CHALLENGE = ("root", "set", "resolver")


def blocks_of(servers: Iterable[Server]) -> Iterator[Block]:
    """Give the blocks in nginx's order."""
    for server in servers:
        names = [
            placed.text[word.start : word.end]
            for placed in server.inside
            if placed.directive.name == "server_name"
            for word in placed.directive.args
        ]
        yield Block(
            tuple(dict.fromkeys(_listens(server))),
            tuple(dict.fromkeys(names)),
            tuple(p.written for p in server.inside if _is_of_tls(p)),
            _challenge(server),
        )


def _listens(server: Server) -> Iterator[str]:
    for placed in server.inside:
        if placed.directive.name == "listen" and placed.directive.args:
            first, *more = (placed.text[w.start : w.end] for w in placed.directive.args)
            yield " ".join([first, *(word for word in more if word in _KINDS)])


def _is_of_tls(placed: Placed) -> bool:
    name, values = placed.directive.name, placed.directive.values()
    if name == "include":
        # A file that the project does not have, as certbot's `options-ssl-nginx.conf`.
        return bool(values) and bool(re.search(r"ssl|tls", values[0].rpartition("/")[2]))
    return name == "ssl" or name.startswith("ssl_")


def _challenge(server: Server) -> str | None:
    """Give the location that answers for certificates, with the directives it may refer to."""
    found = [
        p
        for p in server.inside
        if p.directive.name == "location" and _answers_challenges(p.directive.values())
    ]
    if not found:
        return None
    around = [p.written for p in server.inside if p.directive.name in _OF_THE_CHALLENGE]
    return "\n    ".join([*around, *(p.written for p in found)])


def _answers_challenges(values: tuple[str, ...]) -> bool:
    path = values[-1].replace("\\", "") if values else ""
    if values and values[0] in ("~", "~*"):
        return "well-known" in path
    return path.startswith("/.well-known")
