"""The text of the file that puts a site into maintenance. Touches nothing.

For each server block of the tree it has one with the same addresses, names and certificates. Where
two servers on one address have one name, nginx uses the first that it read and warns of the other
("conflicting server name … ignored"); the expression `~^` catches what had no name of its own.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

NAME = "0-nself-maintenance.conf"
"""Sorts before every name that begins with a letter or with a number of two digits."""
MARK = "X-Nself-Maintenance"
"""The header by which our 503 is told from any other; its value is the edition."""
DEFAULT_RETRY_AFTER = 300
DEFAULT_MESSAGE = "We are working on it and will be back soon."
LONGEST_MESSAGE = 300
"""Characters: nginx takes 4,096 bytes in one word, and each may become several."""

_FIRST = "# nself maintenance: every request is answered with 503 while this file is here."
_SETTINGS = "# settings: "


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for, kept in the file itself."""

    retry_after: int = DEFAULT_RETRY_AFTER
    """Seconds."""
    message: str = DEFAULT_MESSAGE
    since: str = ""

    @property
    def edition(self) -> str:
        """What tells the answers of this file from those of the one before it."""
        said = json.dumps([self.retry_after, self.message])
        return hashlib.sha256(said.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Block:
    """One server block of the tree, as far as it has to be repeated."""

    listens: tuple[str, ...]
    names: tuple[str, ...]
    kept: tuple[str, ...]
    """Directives that TLS needs, word for word."""
    challenge: str | None
    """Its location of the ACME challenge with what that refers to, word for word."""


def is_ours(text: str) -> bool:
    """Tell whether a file of that name is one that we wrote."""
    return text.startswith(_FIRST)


def wanted_of(text: str) -> Wanted:
    """Give what the file was written with; the defaults where that line was lost."""
    line = next((x for x in text.splitlines() if x.startswith(_SETTINGS)), _SETTINGS + "{}")
    try:
        found = json.loads(line.removeprefix(_SETTINGS))
        return Wanted(int(found["retry_after"]), str(found["message"]), str(found["since"]))
    except (ValueError, KeyError, TypeError):
        return Wanted()


def render(blocks: Iterable[Block], wanted: Wanted) -> str:
    """Give the whole file."""
    found = list(blocks)
    challenge = next((b.challenge for b in found if b.challenge), None)
    grouped: dict[_Alike, list[str]] = {}
    for block in found:
        alike = (block.listens, block.kept, block.challenge or challenge)
        names = grouped.setdefault(alike, [])
        names += [name for name in block.names if name not in names]
    settings = {
        "retry_after": wanted.retry_after,
        "message": wanted.message,
        "since": wanted.since,
    }
    lines = [
        _FIRST,
        "# Written by `nself maintenance enable`, removed by `nself maintenance disable`; keep it",
        "# out of the repository. nginx warns of conflicting server names: that is how it works.",
        _SETTINGS + json.dumps(settings),
        "",
        'map "$http_accept $content_type" $nself_maintenance {',
        "    default @nself_maintenance_page;",
        '    "~*text/html" @nself_maintenance_page;',
        '    "~*json" @nself_maintenance_json;',
        "}",
    ]
    seen: set[str] = set()
    for alike, names in grouped.items():
        lines += ["", *_server(alike, names, wanted, seen)]
    return "\n".join([*lines, ""])


_Alike: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], str | None]
"""What servers have in common that can be one: addresses, TLS and the ACME challenge."""


def _server(alike: _Alike, names: list[str], wanted: Wanted, seen: set[str]) -> list[str]:
    listens, kept, challenge = alike
    addresses = {listen.split()[0] for listen in listens} or {"80"}
    # A request of HTTP/1.0 may have no host; no expression is tried on that.
    others = ['""'] if addresses - seen and '""' not in names else []
    seen |= addresses
    return [
        "server {",
        *(f"    listen {listen};" for listen in listens),
        f"    server_name {' '.join([*names, *others, '~^'])};",
        *(f"    {directive}" for directive in kept),
        "    # An upload is answered with 503 as well, and not with 413.",
        "    client_max_body_size 0;",
        "    error_page 503 $nself_maintenance;",
        *([f"    {challenge}"] if challenge else []),
        "    location / {",
        "        return 503;",
        "    }",
        *_answer("page", "text/html; charset=utf-8", _page(wanted), wanted),
        *_answer("json", "application/json", _json(wanted), wanted),
        "}",
    ]


def _answer(name: str, kind: str, body: str, wanted: Wanted) -> list[str]:
    # Without `types { }` the answer to `/logo.png` would be called an image.
    return [
        f"    location @nself_maintenance_{name} {{",
        "        types { }",
        f'        default_type "{kind}";',
        f"        add_header Retry-After {wanted.retry_after} always;",
        "        add_header Cache-Control no-store always;",
        f"        add_header {MARK} {wanted.edition} always;",
        f"        return 503 {_quoted(body)};",
        "    }",
    ]


def _page(wanted: Wanted) -> str:
    said = html.escape(wanted.message).replace("$", "&#36;")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Maintenance</title></head>'
        '<body style="font-family:sans-serif;max-width:32em;margin:20vh auto;padding:0 1em">'
        f"<h1>Down for maintenance</h1><p>{said}</p></body></html>\n"
    )


def _json(wanted: Wanted) -> str:
    found = {
        "error": "maintenance",
        "message": wanted.message,
        "retry_after": wanted.retry_after,
    }
    # nginx knows no escape for `$`, which begins a variable; JSON does.
    return json.dumps(found, ensure_ascii=False).replace("$", "\\u0024") + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
