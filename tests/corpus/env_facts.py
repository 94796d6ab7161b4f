"""What v1's env files mean to v2, from the facts about both; nothing here is the product's.

v1   .env.dev  .env.local (dev only)  .env.staging (staging and prod)  .env.prod (prod)
     .env.secrets (prod only)  .env                                            the last one wins
v2   .env  .env.<environment>  .env.secrets  .env.local                        the last one wins
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

V1_FILES = {
    "dev": (".env.dev", ".env.local", ".env"),
    "staging": (".env.dev", ".env.staging", ".env"),
    "prod": (".env.dev", ".env.staging", ".env.prod", ".env.secrets", ".env"),
}
V2_FILES = {name: (".env", f".env.{name}", ".env.secrets", ".env.local") for name in V1_FILES}

ALIASES = """
    HASURA_GRAPHQL_DEV_MODE HASURA_DEV_MODE
    HASURA_GRAPHQL_ENABLE_CONSOLE HASURA_CONSOLE
    HASURA_GRAPHQL_ADMIN_SECRET HASURA_ADMIN_SECRET
    HASURA_GRAPHQL_UNAUTHORIZED_ROLE HASURA_UNAUTHORIZED_ROLE
    HASURA_GRAPHQL_LOG_LEVEL HASURA_LOG_LEVEL
    HASURA_PORT HASURA_GRAPHQL_PORT
    HASURA_JWT_KEY HASURA_GRAPHQL_JWT_SECRET HASURA_JWT_SECRET AUTH_JWT_SECRET AUTH_JWT_KEY JWT_KEY
    BASE_DOMAIN PROJECT_DOMAIN NSELF_DOMAIN
    ENV NSELF_ENV ENVIRONMENT
    NSELF_ADMIN_ENABLED NADMIN_ENABLED
    MINIO_ENABLED STORAGE_ENABLED
    MINIO_ROOT_USER MINIO_ACCESS_KEY
    MINIO_ROOT_PASSWORD MINIO_SECRET_KEY
    MINIO_REGION S3_REGION
    BACKUP_S3_ACCESS_KEY_ID BACKUP_S3_ACCESS_KEY BACKUP_ACCESS_KEY
    BACKUP_S3_SECRET_ACCESS_KEY BACKUP_S3_SECRET_KEY BACKUP_SECRET_KEY
    NGINX_HTTP_PORT NGINX_PORT
    NGINX_HTTPS_PORT NGINX_SSL_PORT
    MAILPIT_ROUTE MAIL_ROUTE MAILHOG_ROUTE
    MAILPIT_SMTP_PORT MAILHOG_SMTP_PORT
    MAILPIT_UI_PORT MAILHOG_UI_PORT
    SEARCH_ENGINE SEARCH_PROVIDER
    MEILISEARCH_ENV MEILI_ENV
    AUTH_ACCESS_TOKEN_EXPIRES_IN AUTH_JWT_ACCESS_TOKEN_EXPIRES_IN AUTH_ACCESS_TOKEN_EXPIRY
    AUTH_REFRESH_TOKEN_EXPIRES_IN AUTH_JWT_REFRESH_TOKEN_EXPIRES_IN AUTH_REFRESH_TOKEN_EXPIRY
    AUTH_REQUIRE_EMAIL_VERIFICATION AUTH_EMAIL_VERIFICATION_REQUIRED
    AUTH_EXTRA_REDIRECT_URLS AUTH_ALLOWED_REDIRECT_URLS
    SMTP_PASS SMTP_PASSWORD
    EMAIL_FROM SMTP_FROM
    POSTGRES_PORT POSTGRES_EXTERNAL_PORT
    POSTGRES_MEM_LIMIT POSTGRES_MEMORY
"""
"""A row for each key of v2: its name, then the older ones; the first that is there wins."""

OLD_FRONTEND = re.compile(r"(?:FRONTEND_)?APP_(\d+)_NAME")
GONE = re.compile(
    r"NGINX_RATE_LIMIT|RATE_LIMIT_(?:\w+_RPM|REQUESTS_PER_MINUTE|BURST|ENABLED)|SERVICES_ENABLED"
    r"|(?:NESTJS|BULLMQ|GOLANG|PYTHON|DASHBOARD|HEALTHCHECK|BASIC_AUTH|DB)_\w+|SSL_CERT_NAME"
    r"|NGINX_WORKER_(?:CONNECTIONS|PROCESSES)|POSTGRES_(?:SHARED_BUFFERS|MAX_CONNECTIONS)"
    r"|REDIS_MAXCLIENTS|DEMO_(?:CONTENT|USERS)|SEED_DATA|ENABLE_HOT_RELOAD|AUTH_MFA_ENABLED"
    r"|(?:PROMETHEUS|ALERTMANAGER)_ROUTE|DATABASE_(?:POOL_\w+|\w+_TIMEOUT|MAX_LIFETIME)"
    r"|HSTS_MAX_AGE|TZ|LOCAL_SCHEMA_FILE|SERVICES_(?:NETWORK|LOG_LEVEL)|LICENSE_GRACE_DAYS"
    r"|FRONTEND_APP_COUNT"
)
"""Keys that v2 has no reader for: they may go, but what stays of them stays as it was."""

DEFAULTS = {"HASURA_JWT_TYPE": "HS256"}
"""What v2 takes where nothing is said."""
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ENVIRONMENTS = {"development": "dev", "production": "prod", "stage": "staging"}


def means(values: Mapping[str, str]) -> dict[str, str]:
    """What v2 has to find so that it does what v1 did with these values."""
    left = dict(values)
    found: dict[str, str] = {}
    for key, value in (*_search(left), *_no_ssl(left), *_frontends(left)):
        found.setdefault(key, value)
    for row in filter(None, map(str.split, ALIASES.splitlines())):
        given = [left.pop(name) for name in row if name in left]
        if given:
            found.update(_read(row[0], given[0]))
    found.update({key: _word(key, value) for key, value in left.items() if not GONE.fullmatch(key)})
    return found


def _read(key: str, value: str) -> dict[str, str]:
    if key == "HASURA_JWT_KEY" and value.startswith("{"):
        told = json.loads(value)
        return {"HASURA_JWT_KEY": told["key"], "HASURA_JWT_TYPE": told.get("type", "HS256")}
    if key.endswith("_TOKEN_EXPIRES_IN") and (lasts := re.fullmatch(r"(\d+)([smhd])", value)):
        return {key: str(int(lasts[1]) * SECONDS[lasts[2]])}
    return {key: ENVIRONMENTS.get(value, value) if key == "ENV" else value}


def _word(key: str, value: str) -> str:
    """v2 has mailpit where v1 had mailhog, and its own number."""
    if key in ("EMAIL_PROVIDER", "AUTH_SMTP_HOST", "SMTP_HOST") and value == "mailhog":
        return "mailpit"
    return "1.0.9" if key == "NSELF_VERSION" and value.startswith("0.") else value


def _search(values: dict[str, str]) -> Iterator[tuple[str, str]]:
    """v1 switched each engine on, v2 the search, and names the engine."""
    switches = {e: values.pop(f"{e.upper()}_ENABLED", None) for e in ("meilisearch", "typesense")}
    for engine, switch in switches.items():
        if switch == "true":
            yield "SEARCH_ENABLED", "true"
            yield "SEARCH_ENGINE", engine
    if "false" in switches.values():
        yield "SEARCH_ENABLED", "false"


def _no_ssl(values: dict[str, str]) -> Iterator[tuple[str, str]]:
    if values.pop("SSL_ENABLED", None) == "false":
        yield "SSL_MODE", "none"


def _frontends(values: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key in [*values]:
        if match := OLD_FRONTEND.fullmatch(key):
            yield f"FRONTEND_APP_{match[1]}_SYSTEM_NAME", values.pop(key)
