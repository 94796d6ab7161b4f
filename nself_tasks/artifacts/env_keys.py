"""What became of the keys of v1 env files, as data: renamed and removed ones.

Not here, on purpose: HASURA_VERSION, which v2 still reads.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from nself_tasks.artifacts.env_values import Conversion


class Renamed(NamedTuple):
    """An old key and its v2 name; of several old keys with one new name the first one wins."""

    old: str
    new: str
    conversion: Conversion = "same"


RENAMED = (
    Renamed("HASURA_DEV_MODE", "HASURA_GRAPHQL_DEV_MODE"),
    Renamed("HASURA_CONSOLE", "HASURA_GRAPHQL_ENABLE_CONSOLE"),
    Renamed("HASURA_ADMIN_SECRET", "HASURA_GRAPHQL_ADMIN_SECRET"),
    Renamed("HASURA_GRAPHQL_JWT_SECRET", "HASURA_JWT_KEY", "jwt"),
    Renamed("HASURA_JWT_SECRET", "HASURA_JWT_KEY", "jwt"),
    Renamed("AUTH_JWT_SECRET", "HASURA_JWT_KEY", "jwt"),
    Renamed("AUTH_JWT_KEY", "HASURA_JWT_KEY", "jwt"),
    Renamed("JWT_KEY", "HASURA_JWT_KEY", "jwt"),
    Renamed("HASURA_UNAUTHORIZED_ROLE", "HASURA_GRAPHQL_UNAUTHORIZED_ROLE"),
    Renamed("HASURA_GRAPHQL_PORT", "HASURA_PORT"),
    Renamed("HASURA_LOG_LEVEL", "HASURA_GRAPHQL_LOG_LEVEL"),
    Renamed("PROJECT_DOMAIN", "BASE_DOMAIN"),
    Renamed("NSELF_DOMAIN", "BASE_DOMAIN"),
    Renamed("NSELF_ENV", "ENV", "environment"),
    Renamed("ENVIRONMENT", "ENV", "environment"),
    Renamed("NADMIN_ENABLED", "NSELF_ADMIN_ENABLED"),
    Renamed("STORAGE_ENABLED", "MINIO_ENABLED"),
    Renamed("MINIO_ACCESS_KEY", "MINIO_ROOT_USER"),
    Renamed("MINIO_SECRET_KEY", "MINIO_ROOT_PASSWORD"),
    Renamed("S3_REGION", "MINIO_REGION"),
    Renamed("BACKUP_S3_ACCESS_KEY", "BACKUP_S3_ACCESS_KEY_ID"),
    Renamed("BACKUP_ACCESS_KEY", "BACKUP_S3_ACCESS_KEY_ID"),
    Renamed("BACKUP_S3_SECRET_KEY", "BACKUP_S3_SECRET_ACCESS_KEY"),
    Renamed("BACKUP_SECRET_KEY", "BACKUP_S3_SECRET_ACCESS_KEY"),
    Renamed("NGINX_PORT", "NGINX_HTTP_PORT"),
    Renamed("NGINX_SSL_PORT", "NGINX_HTTPS_PORT"),
    Renamed("MAIL_ROUTE", "MAILPIT_ROUTE"),
    Renamed("MAILHOG_ROUTE", "MAILPIT_ROUTE"),
    Renamed("MAILHOG_SMTP_PORT", "MAILPIT_SMTP_PORT"),
    Renamed("MAILHOG_UI_PORT", "MAILPIT_UI_PORT"),
    Renamed("SEARCH_PROVIDER", "SEARCH_ENGINE"),
    Renamed("MEILI_ENV", "MEILISEARCH_ENV"),
    Renamed("MEILISEARCH_ENABLED", "SEARCH_ENABLED", "meilisearch"),
    Renamed("TYPESENSE_ENABLED", "SEARCH_ENABLED", "typesense"),
    Renamed("AUTH_JWT_ACCESS_TOKEN_EXPIRES_IN", "AUTH_ACCESS_TOKEN_EXPIRES_IN", "seconds"),
    Renamed("AUTH_ACCESS_TOKEN_EXPIRY", "AUTH_ACCESS_TOKEN_EXPIRES_IN", "seconds"),
    Renamed("AUTH_JWT_REFRESH_TOKEN_EXPIRES_IN", "AUTH_REFRESH_TOKEN_EXPIRES_IN", "seconds"),
    Renamed("AUTH_REFRESH_TOKEN_EXPIRY", "AUTH_REFRESH_TOKEN_EXPIRES_IN", "seconds"),
    Renamed("AUTH_EMAIL_VERIFICATION_REQUIRED", "AUTH_REQUIRE_EMAIL_VERIFICATION"),
    Renamed("AUTH_ALLOWED_REDIRECT_URLS", "AUTH_EXTRA_REDIRECT_URLS"),
    Renamed("SSL_ENABLED", "SSL_MODE", "no_ssl"),
    Renamed("SMTP_PASSWORD", "SMTP_PASS"),
    Renamed("SMTP_FROM", "EMAIL_FROM"),
    Renamed("POSTGRES_EXTERNAL_PORT", "POSTGRES_PORT"),
    Renamed("POSTGRES_MEMORY", "POSTGRES_MEM_LIMIT"),
    Renamed("BIOS_BASE_DOMAIN", "NSELF_BASE_DOMAIN"),
    Renamed("BIOS_DOMAIN", "NSELF_BASE_DOMAIN"),
    Renamed("BIOS_PROJECT_NAME", "NSELF_PROJECT_NAME"),
    Renamed("BIOS_PROJECT", "NSELF_PROJECT_NAME"),
)
BY_OLD = {row.old: row for row in RENAMED}
PRIORITY = {row.old: number for number, row in enumerate(RENAMED)}

FAMILIES: tuple[tuple[re.Pattern[str], str, Conversion], ...] = (
    (re.compile(r"APP_(\d{1,3})_([A-Z]\w*)"), r"FRONTEND_APP_\1_\2", "same"),
    (re.compile(r"FRONTEND_APP_(\d{1,3})_NAME"), r"FRONTEND_APP_\1_SYSTEM_NAME", "same"),
    (re.compile(r"PLUGIN_([A-Z]\w*)"), r"NSELF_PLUGIN_\1", "switch"),
)

ASKED = (
    (re.compile(r"ADMIN_ENABLED"), "NSELF_ADMIN_ENABLED"),
    (
        re.compile(r"AUTH_(?!PROVIDER_)([A-Z]+)_(CLIENT_ID|CLIENT_SECRET)"),
        r"AUTH_PROVIDER_\1_\2 or \1_OAUTH_\2",
    ),
)
"""Keys that v2 does not read, and of which its sources do not say for sure what took over."""

TOGETHER = (
    ("BACKUP_S3_ACCESS_KEY", "BACKUP_S3_SECRET_KEY"),
    ("BACKUP_ACCESS_KEY", "BACKUP_SECRET_KEY"),
)
"""Both are renamed or neither."""

COMPANIONS = {"HASURA_JWT_TYPE": "HASURA_JWT_KEY", "SEARCH_ENGINE": "SEARCH_ENABLED"}
"""Keys that come with another one out of one old key, and that other one."""

DEFAULTS = {"HASURA_JWT_TYPE": "HS256"}
"""Values that mean the same as no value."""

ENGINES = ("MEILISEARCH_ENABLED", "TYPESENSE_ENABLED")
ONE_ENGINE = "SEARCH_ENGINE names the one search engine"

REVALUED = {
    "EMAIL_PROVIDER": {"mailhog": "mailpit"},
    "AUTH_SMTP_HOST": {"mailhog": "mailpit"},
    "SMTP_HOST": {"mailhog": "mailpit"},
    "NGINX_CONF_DIR": {"nginx/": "nginx/sites/", "nginx": "nginx/sites"},
}
V2_VERSION = "1.0.9"
"""What the upgrade guide writes for NSELF_VERSION=0.x."""

AI_KEYS = frozenset(
    {
        "AI_PROFILE",
        "AI_AUTO_INSTALL",
        "AI_DEFAULT_MODEL",
        "AI_EMBEDDING_MODEL",
        "AI_POOL_AUTO_PROVISION",
        "AI_BACKGROUND_LOCAL_ONLY",
        "AI_DAILY_BUDGET_USD",
        "AI_MONTHLY_BUDGET_USD",
        "AI_TIMEOUT_LOCAL_MS",
        "AI_TIMEOUT_OAUTH_MS",
        "AI_TIMEOUT_POOL_MS",
        "AI_TIMEOUT_PAID_MS",
        "AI_POOL_OAUTH_CLIENT_ID",
        "AI_POOL_OAUTH_CLIENT_SECRET",
        "NSELF_MASTER_SECRET",
    }
)
"""Were in `.env.ai`; v2 reads them from `.env.secrets` in every environment."""


def successor(key: str) -> str | None:
    """Give what a person may mean by a key that v2 does not read and nobody can rename for them."""
    return next((m.expand(new) for old, new in ASKED if (m := old.fullmatch(key))), None)


def renamed(key: str) -> Renamed | None:
    """Give what the key is called in v2, if that is something else."""
    if found := BY_OLD.get(key):
        return found
    for pattern, new, conversion in FAMILIES:
        if match := pattern.fullmatch(key):
            name = match.expand(new)
            # APP_1_NAME is two renames away.
            return Renamed(key, re.sub(r"(_APP_\d+)_NAME\Z", r"\1_SYSTEM_NAME", name), conversion)
    return None


def revalued(key: str, text: str) -> str | None:
    """Give what the value is called in v2, if that is something else."""
    if key == "NSELF_VERSION" and re.match(r"v?0\.\d", text):
        return V2_VERSION
    return REVALUED.get(key, {}).get(text)
