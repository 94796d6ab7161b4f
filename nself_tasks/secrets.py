"""Takes passwords out of whatever people or files get to see.

    postgres://ada:pw@db/shop         ->  postgres://ada:***@db/shop
    ALTER ROLE ada PASSWORD 'pw'      ->  ALTER ROLE ada PASSWORD ***
    HASURA_GRAPHQL_ADMIN_SECRET=pw    ->  HASURA_GRAPHQL_ADMIN_SECRET=***

In doubt too much is hidden. Every pattern takes linear time (possessive, or tried once a word):
server messages and SQL of any size pass through here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from nself_tasks.migrations.secret_literals import HIDDEN, hide, in_prose
from nself_tasks.secret_names import SPOKEN, is_secret_key, is_secret_name

__all__ = ["HIDDEN", "but_words", "is_secret_key", "is_secret_name", "mask", "mask_url"]

_SHORTEST = 4
"""Shorter secrets would garble every message; their usual places are masked anyway."""
_LONG_LINE = 8
"""So long is a line of a secret with several that is hidden by itself."""
_COMMONPLACE = frozenset(
    {"postgres", "password", "prod", "staging", "test", "true", "false", "none", "null", "admin"}
)
"""Default passwords that are ordinary words here: hiding them in prose hides nothing."""

_WORD = re.compile(r"[A-Za-z][\w-]{0,23}", re.ASCII)
_RUN = re.compile(r"""[^\s"'`<>]++""")
_LOGIN = re.compile(r"://[^:/@]*+:")
_QUERY = re.compile(r"([?&](?:ssl|pg)?passw(?:or)?d=)[^&\s\"'`]*", re.IGNORECASE)
_ASSIGNED = re.compile(r"""(?<![\w.-])(-{0,2}[A-Za-z_][\w.-]*+)(["']?)(\s*+)([=:])[ \t]*+""")
_QUOTED = re.compile(
    r"""'(?:[^'\\]|''|\\.|\\\Z)*+(?:'|\Z)|"(?:[^"\\]|\\.|\\\Z)*+(?:"|\Z)""", re.DOTALL
)
_UNQUOTED = re.compile(r"""[^\s"`]*+""")

_OPTION = re.compile(
    r"""(?<![\w.-])(--?[A-Za-z][\w-]*+)"""
    r"""(["']?+(?:[ \t]*+,\s*+|[ \t]*+\n[ \t]*+-[ \t]++|[ \t]++)["']?+)([^\s"',\]-][^\s"',\]]*+)"""
)
"""`--token x`, and the same as two members of a list, in either way that YAML writes one."""
_PASSING = re.compile(r"(?:[-_]pass|[-_]pwd|requirepass|masterauth)\Z", re.IGNORECASE)
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----).*?(-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def mask_url(url: str) -> str:
    """Give the URL with its password, and `password=` in its query, as `***`."""
    return _QUERY.sub(rf"\g<1>{HIDDEN}", _without_login(url))


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Give the text with the known secrets, and whatever looks like one, as `***`; never raises."""
    for secret in sorted(set(_forms(secrets)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _RUN.sub(lambda run: mask_url(run[0]) if "://" in run[0] else run[0], text)
    text = _PRIVATE_KEY.sub(rf"\g<1>{HIDDEN}\g<2>", text) if "PRIVATE KEY" in text else text
    text = _OPTION.sub(_without_argument, text)
    text = _without_assigned(text)
    return hide(text, in_prose(text))


def but_words(secrets: Iterable[str], in_the_open: Iterable[str]) -> tuple[str, ...]:
    """Give the secrets without the words that stand in the open anyway.

    A password `shop` of the database `shop` would make `***` of every path and name with it, and
    of half of `shopping`; where it stands as a password it is hidden all the same.
    """
    public = {word.lower() for word in in_the_open}
    return tuple(s for s in secrets if s.lower() not in public or not _WORD.fullmatch(s))


def _forms(secrets: Iterable[str]) -> Iterable[str]:
    """Give each secret as written and as a URL has it."""
    for secret in secrets:
        if len(secret) >= _SHORTEST and secret.lower() not in _COMMONPLACE:
            yield secret
            yield quote(secret, safe="", errors="surrogatepass")
            yield quote_plus(secret, errors="surrogatepass")
            if "\n" in secret:
                # A diff or the lines around an error show it line by line.
                yield from (line for line in secret.splitlines() if len(line) >= _LONG_LINE)


def _without_login(url: str) -> str:
    """Hide from the first colon of the login to the last @: a raw password may hold @ and /."""
    login = _LOGIN.search(url)
    at = url.rfind("@")
    if login is None or at < login.end():
        return url
    return url[: login.end()] + HIDDEN + url[at:]


def _without_argument(match: re.Match[str]) -> str:
    name, between, _ = match.groups()
    if not (SPOKEN.search(name) or _PASSING.search(name)):
        return match[0]
    return f"{name}{between}{HIDDEN}"


def _without_assigned(text: str) -> str:
    """Hide the value after a secret's name: `NAME=value`, `NAME: value`, `"name": "value"`."""
    parts, end = [], 0
    while match := _ASSIGNED.search(text, end):
        parts.append(text[end : match.end()])
        end = match.end()
        if not _names_a_secret(match):
            continue
        value = _QUOTED.match(text, end) or _UNQUOTED.match(text, end)
        if value and value[0] and not value[0].startswith(HIDDEN):
            mark = value[0][0] if value[0][0] in "\"'" else ""
            parts.append(mark + HIDDEN + mark)
            end = value.end()
    return "".join((*parts, text[end:]))


def _names_a_secret(match: re.Match[str]) -> bool:
    name, quote_mark, space, sign = match.groups()
    if not is_secret_name(name):
        return False
    # "wrong password: try again" is prose; `"password": "x"` and `DB_PASSWORD: x` are not.
    return sign == "=" or bool(quote_mark) or (name.isupper() and not space)
