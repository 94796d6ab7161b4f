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
from urllib.parse import quote

HIDDEN = "***"

_SHORTEST = 4
"""Shorter secrets would garble every message; their usual places are masked anyway."""
_COMMONPLACE = frozenset(
    {"postgres", "password", "prod", "staging", "test", "true", "false", "none", "null", "admin"}
)
"""Default passwords that are ordinary words here: hiding them in prose hides nothing."""

_RUN = re.compile(r"""[^\s"'`<>]++""")
_LOGIN = re.compile(r"://[^:/@]*+:")
_QUERY = re.compile(r"([?&](?:ssl|pg)?passw(?:or)?d=)[^&\s\"'`]*", re.IGNORECASE)
_ASSIGNED = re.compile(r"""(?<![\w.-])([A-Za-z_][\w.-]*+)(["']?)(\s*+)([=:])[ \t]*+""")
_SQL_PASSWORD = re.compile(r"\bpassword\b\s++", re.IGNORECASE)
_QUOTED = re.compile(
    r"""'(?:[^'\\]|''|\\.|\\\Z)*+(?:'|\Z)|"(?:[^"\\]|\\.|\\\Z)*+(?:"|\Z)""", re.DOTALL
)
_SQL_PREFIX = re.compile(r"(?:E|N|U&)(?=')", re.IGNORECASE)
_DOLLAR_TAG = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_UNQUOTED = re.compile(r"""[^\s"`]*+""")

_SHOUTED = re.compile(r"KEY|SECRET|TOKEN|PASS|PWD|CREDENTIAL|LICENSE|DSN|(?:^|_)(?:PW|SK)(?:_|$)")
_SPOKEN = re.compile(
    r"(?:password|passwd|passphrase|secret|token|api_?key|private_?key|access_?key)\Z",
    re.IGNORECASE,
)


def mask_url(url: str) -> str:
    """Give the URL with its password, and `password=` in its query, as `***`."""
    return _QUERY.sub(rf"\g<1>{HIDDEN}", _without_login(url))


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Give the text with the known secrets, and whatever looks like one, as `***`; never raises."""
    for secret in sorted(set(_forms(secrets)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _RUN.sub(lambda run: mask_url(run[0]) if "://" in run[0] else run[0], text)
    return _without_assigned(_without_sql_passwords(text))


def is_secret_name(name: str) -> bool:
    """Tell whether a setting of that name holds a secret: POSTGRES_PASSWORD, api_key …"""
    # `key = other.key` in SQL is no secret, HASURA_JWT_KEY=… is one: capitals make the difference.
    return bool(_SHOUTED.search(name) if name.isupper() else _SPOKEN.search(name))


def _forms(secrets: Iterable[str]) -> Iterable[str]:
    """Give each secret as written and as a URL has it."""
    for secret in secrets:
        if len(secret) >= _SHORTEST and secret.lower() not in _COMMONPLACE:
            yield secret
            yield quote(secret, safe="", errors="surrogatepass")


def _without_login(url: str) -> str:
    """Hide from the first colon of the login to the last @: a raw password may hold @ and /."""
    login = _LOGIN.search(url)
    at = url.rfind("@")
    if login is None or at < login.end():
        return url
    return url[: login.end()] + HIDDEN + url[at:]


def _without_sql_passwords(text: str) -> str:
    """Hide the literal after PASSWORD in SQL, in each of its forms."""
    parts, end = [], 0
    while match := _SQL_PASSWORD.search(text, end):
        after = _literal_end(text, match.end())
        parts.append(text[end : match.end()])
        if after > match.end():
            parts.append(HIDDEN)
        end = after
    return "".join((*parts, text[end:]))


def _literal_end(text: str, start: int) -> int:
    """Give where the SQL literal at `start` ends: `start` if none, the end if it is not closed."""
    prefix = _SQL_PREFIX.match(text, start)
    at = prefix.end() if prefix else start
    if text.startswith("'", at):
        quoted = _QUOTED.match(text, at)
        return quoted.end() if quoted else start
    tag = _DOLLAR_TAG.match(text, start)
    if tag is None:
        return start
    closing = text.find(tag[0], tag.end())
    return len(text) if closing < 0 else closing + len(tag[0])


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
