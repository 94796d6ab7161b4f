"""Why a connection could not be opened, in one sentence with a next step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from nself_tasks.errors import ConnectionFailed, NotReady
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
        r"starting up|shutting down|recovery mode|not (yet )?accepting|in recovery",
        "the server is starting up, shutting down or recovering",
        "wait for it, then run the same command again",
    ),
    (
        r"unsupported startup parameter",
        "the connection pooler there refuses a part of this URL",
        "take the parameter out of the database URL, or name the server itself, not its pooler",
    ),
    (
        r"too many clients|remaining connection slots|too many connections|no more connections",
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

_LASTING = (
    "the server wants a password, and the database URL has none",
    "the server refused the user name or password",
    "the server has no such database",
    "the server has no such user",
    "the server does not accept this user from this host",
    "the TLS handshake failed",
)
"""What waiting does not mend."""
_UNREACHABLE = (
    "the host name is unknown",
    "no answer within the time-out",
    "no server answers there",
)


def connection_error(url: str, error: Exception, *, lasting: bool = False) -> ConnectionFailed:
    """Turn libpq's message into one sentence and a next step; the password never shows.

    It is a NotReady unless waiting cannot mend it.
    """
    said = " ".join(mask(str(error), [_password(url)]).split())
    known = (r[1:] for r in _REASONS if re.search(r[0], said, re.IGNORECASE))
    sentence, hint = next(known, ("the connection failed", "check the database URL"))
    reachable = {"reachable": False} if sentence in _UNREACHABLE else {}
    kind = ConnectionFailed if lasting or sentence in _LASTING else NotReady
    return kind(
        f"cannot connect to {mask_url(url)}: {sentence}",
        hint=hint,
        detail=said,
        facts=reachable,
        database="unchanged",
    )


def _password(url: str) -> str:
    """Give the password inside a URL, decoded, or an empty text."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""
