"""Which names say that their value is a secret: POSTGRES_PASSWORD, api_key, app.jwt_secret."""

from __future__ import annotations

import re

_SHOUTED = re.compile(r"KEY|SECRET|TOKEN|PASS|PWD|CREDENTIAL|LICENSE|DSN|(?:^|_)(?:PW|SK)(?:_|$)")
SPOKEN = re.compile(
    r"(?:password|passwd|passphrase|secret|token"
    r"|(?:api|private|access|secret|signing|encryption|jwt)[_-]?key)\Z",
    re.IGNORECASE,
)
"""The same for names in lower case, which are often ordinary words."""

_PARTS = ("key", "secret", "token", "pass", "pwd", "credential", "license", "dsn", "pw", "sk")
"""No name says so without one of these in it."""


def is_secret_name(name: str) -> bool:
    """Tell whether a setting of that name holds a secret: POSTGRES_PASSWORD, api_key …"""
    # `key = other.key` in SQL is no secret, HASURA_JWT_KEY=… is one: capitals make the difference.
    return bool(_SHOUTED.search(name) if name.isupper() else SPOKEN.search(name))


def is_secret_key(key: str) -> bool:
    """Tell whether the env key holds a secret in whatever case it is written: `stripe_key`."""
    return is_secret_name(key) or is_secret_name(key.upper())


def may_name_a_secret(text: str) -> bool:
    """Tell whether such a name can be in the text at all; much faster than to look for one."""
    lowered = text.lower()
    return any(part in lowered for part in _PARTS)
