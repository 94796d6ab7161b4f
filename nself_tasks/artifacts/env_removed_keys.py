"""The keys of v1 env files that v2 has no use for, and why, as data."""

from __future__ import annotations

import re

_LEGACY = "the microservices before CS_N are gone; define a service as `CS_1=name:template:port`"
_INIT = "written by the v1 demo, nothing reads it"
_TEMPLATE = "from the v1 template, nothing reads it"
_RATE = "use RATE_LIMIT_API_RPS, RATE_LIMIT_AUTH_RPS or RATE_LIMIT_AI_RPS (requests per second)"

REMOVED = {
    "NGINX_RATE_LIMIT": _RATE,
    "RATE_LIMIT_REQUESTS_PER_MINUTE": _RATE,
    "RATE_LIMIT_BURST": _RATE,
    "RATE_LIMIT_ENABLED": _RATE,
    "SERVICES_ENABLED": _LEGACY,
    "SSL_ENABLED": "SSL_MODE is local, letsencrypt, custom or none",
    "SSL_CERT_NAME": "SSL_MODE is local, letsencrypt, custom or none",
    "LICENSE_GRACE_DAYS": "it never had any effect",
    "FRONTEND_APP_COUNT": "the FRONTEND_APP_N keys are counted",
    "BIOS_ENV": "it was never read; the name is ENV",
    "BIOS_ENVIRONMENT": "it was never read; the name is ENV",
    **dict.fromkeys(
        (
            "NGINX_WORKER_CONNECTIONS",
            "NGINX_WORKER_PROCESSES",
            "POSTGRES_SHARED_BUFFERS",
            "POSTGRES_MAX_CONNECTIONS",
            "REDIS_MAXCLIENTS",
            "DEMO_CONTENT",
            "DEMO_USERS",
            "SEED_DATA",
            "ENABLE_HOT_RELOAD",
            "AUTH_MFA_ENABLED",
            "PROMETHEUS_ROUTE",
            "ALERTMANAGER_ROUTE",
        ),
        _INIT,
    ),
    **dict.fromkeys(
        (
            "HSTS_MAX_AGE",
            "TZ",
            "LOCAL_SCHEMA_FILE",
            "SERVICES_NETWORK",
            "SERVICES_LOG_LEVEL",
        ),
        _TEMPLATE,
    ),
}
REMOVED_FAMILIES = (
    (re.compile(r"RATE_LIMIT_[A-Z]+_RPM"), _RATE),
    (re.compile(r"(?:NESTJS|BULLMQ|GOLANG|PYTHON)_[A-Z]\w*"), _LEGACY),
    (re.compile(r"DASHBOARD_[A-Z]\w*"), "the dashboard is gone; the NSELF_ADMIN_ keys took over"),
    (re.compile(r"HEALTHCHECK_[A-Z]\w*|BASIC_AUTH_[A-Z]\w*"), _TEMPLATE),
    (re.compile(r"DATABASE_(?:POOL_[A-Z]\w*|[A-Z_]+_TIMEOUT|MAX_LIFETIME)"), _TEMPLATE),
)
DB_TUNING = re.compile(
    "DB_(?:ALERT_ON|AUTOVACUUM|AUTO|BACKUP|BLOAT_CHECK|CHECKPOINT|CITUS|JIT|LOG|LOGICAL_DECODING"
    "|MAX|PITR|POOL|POOLER|POSTGIS|REPLICATION|TIMESCALE|VACUUM|VECTOR|WAL)(?:_[A-Z]\\w*)?"
    "|DB_(?:ARCHIVE_TIMEOUT|AUDIT_LOG|CPU_TUPLE_COST|EFFECTIVE_CACHE_SIZE|EFFECTIVE_IO_CONCURRENCY"
    "|ENCRYPT_AT_REST|EXPORTER_ENABLED|EXPORTER_PORT|FAILOVER_MODE|FDW_ENABLED|FORCE_SSL"
    "|HOT_STANDBY|IDLE_IN_TRANSACTION_TIMEOUT|LOCK_TIMEOUT|MAINTENANCE_WINDOW|MAINTENANCE_WORK_MEM"
    "|MONITORING_ENABLED|PASSWORD_ENCRYPTION|PROMOTE_TRIGGER_FILE|RANDOM_PAGE_COST"
    "|RECOVERY_MIN_APPLY_DELAY|ROW_SECURITY|SHARED_BUFFERS|SLOW_QUERY_LOG|STATEMENT_TIMEOUT"
    "|SYNCHRONOUS_COMMIT|WORK_MEM)"
)
"""The tuning keys of the v0.3.9 template; an application's DB_HOST or DB_PASSWORD is not one."""


def removed(key: str) -> str | None:
    """Say why v2 has no use for the key, if it has none."""
    if key in REMOVED:
        return REMOVED[key]
    if DB_TUNING.fullmatch(key):
        return _TEMPLATE
    return next((why for pattern, why in REMOVED_FAMILIES if pattern.fullmatch(key)), None)
