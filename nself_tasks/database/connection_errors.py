"""Why a connection could not be opened, in one sentence with a next step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from nself_tasks.errors import ConnectionFailed
from nself_tasks.secrets import mask, mask_url

_REASONS: Sequence[tuple[str, str, str]] = (
    (
        r"no password supplied",
        "the server wants a password, and the database URL has none",
        "add the password to the database URL",
    ),
    (
        r"password authentication failed|SCRAM|authentication failed",
        "the server refused the user name or password",
        "check the user and password of the database URL",
    ),
    (
        r'database "[^"]*" does not exist',
        "the server has no such database",
        "create it, or correct the name in the database URL",
    ),
    (
        r'role "[^"]*" does not exist',
        "the server has no such user",
        "correct the user in the database URL",
    ),
    (
        r"could not translate host name|Name or service not known|resolve host|getaddrinfo",
        "the host name is unknown",
        "correct the host in the database URL",
    ),
    (
        r"starting up|shutting down|recovery mode|not yet accepting|in recovery",
        "the server is starting up, shutting down or recovering",
        "wait for it, then run the same command again",
    ),
    (
        r"too many clients|remaining connection slots|too many connections",
        "the server has no free connection",
        "close other connections or raise `max_connections`, then run again",
    ),
    (
        r"no pg_hba\.conf entry",
        "the server does not accept this user from this host",
        "allow it in pg_hba.conf, or use another URL",
    ),
    (
        r"timeout expired|timed out",
        "no answer within the time-out",
        "check host, port and firewall",
    ),
    (
        (
            r"Connection refused|No such file or directory|could not connect"
            r"|Network is unreachable|No route to host|server closed|connection reset"
        ),
        "no server answers there",
        "start it, or correct the database URL",
    ),
    (
        r"\bSSL\b|certificate",
        "the TLS handshake failed",
        "check `sslmode` and the certificates of the database URL",
    ),
)


def connection_error(url: str, error: Exception) -> ConnectionFailed:
    """Turn libpq's message into one sentence and a next step; the password never shows."""
    said = " ".join(mask(str(error), [_password(url)]).split())
    known = (r[1:] for r in _REASONS if re.search(r[0], said, re.IGNORECASE))
    sentence, hint = next(known, ("the connection failed", "check the database URL"))
    return ConnectionFailed(
        f"cannot connect to {mask_url(url)}: {sentence}",
        hint=hint,
        detail=said,
        database="unchanged",
    )


def _password(url: str) -> str:
    """Give the password inside a URL, decoded, or an empty text."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""
