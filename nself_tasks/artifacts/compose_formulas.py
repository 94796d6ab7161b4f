"""What v1 computed variables from, as text that gives the same value, with no secret in it."""

from __future__ import annotations

from collections.abc import Mapping

from nself_tasks.rewriting.expansion import Budget, expand
from nself_tasks.secrets import is_secret_key

Values = Mapping[str, str]

DATABASE_URL = (
    "postgresql://${POSTGRES_USER:-postgres}:${POSTGRES_PASSWORD}"
    "@postgres:5432/${POSTGRES_DB:-${PROJECT_NAME}}"
)
"""What v1 computes it from."""


CORS_DOMAIN = (
    "https://*.${BASE_DOMAIN}, http://*.${BASE_DOMAIN}, http://localhost:*, "
    "http://localhost:3000, http://localhost:3001, http://localhost:8080"
)
"""As 0.9.9 computes it."""


def expanded(written: str, context: Values) -> str:
    """Give the text as Compose interpolates it."""
    return expand(written, context.get, Budget())


def formulas_of(own: Values, written: Values, prefix: str) -> Values:
    """Give the computed variables as text that has the same value, with no secret in it."""
    found = {"DATABASE_URL": DATABASE_URL.replace("${PROJECT_NAME}", prefix)}
    for name, value in written.items():
        if name == "HASURA_GRAPHQL_CORS_DOMAIN" and value == expanded(CORS_DOMAIN, own):
            found[name] = CORS_DOMAIN
        elif is_written_out(name, value):
            found.setdefault(name, value)
    return found


def is_written_out(name: str, value: str) -> bool:
    """Tell whether a computed variable's value may stand in the compose file itself."""
    return bool(value) and not is_secret_key(name) and not set(value) & set("@${}'\"\\\n")
