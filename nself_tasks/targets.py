"""Finds the database that a command works on.

`--database-url`, DATABASE_URL of the process, DATABASE_URL of the environment's files, else a URL
from POSTGRES_*. `PG*` variables fill no gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from nself_tasks import database_url
from nself_tasks.database_url import COMPOSE_HOST, DEFAULT_PORT, DatabaseUrl
from nself_tasks.errors import GuardError, UsageError
from nself_tasks.model import Target
from nself_tasks.secrets import mask_url

if TYPE_CHECKING:
    from nself_tasks.settings import Settings

EMBEDDED = "embedded"
_MACHINE = "127.0.0.1"
_LOCAL = frozenset({COMPOSE_HOST, _MACHINE, "localhost", "::1"})
_COMPOSED_FROM = ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")


def resolve_target(settings: Settings) -> Target:
    """Give the target; without URL and not embedded where nothing is configured.

    Raises UsageError for a URL that is none, GuardError where staging or prod would silently mean
    the compose database of this machine.
    """
    if settings.database_url:
        # Taken as it is given: this is also how one names the host `postgres` inside a container.
        return _given(settings, settings.database_url, "--database-url", rewritten=False)
    if url := settings.environ.get("DATABASE_URL"):
        return _given(settings, url, "DATABASE_URL of the process environment", rewritten=True)
    files = settings.cascade
    if url := files.values.get("DATABASE_URL"):
        target = _given(
            settings, url, f"DATABASE_URL in {files.sources['DATABASE_URL']}", rewritten=True
        )
    elif any(files.values.get(key) for key in _COMPOSED_FROM):
        target = _composed(settings)
    else:
        return _nothing(files.files)
    return replace(target, notes=(*target.notes, *_file_notes(settings)))


def _nothing(files: tuple[str, ...]) -> Target:
    looked = ", ".join(files)
    return Target(
        url=None,
        shown="none",
        source="no database is configured: looked for `--database-url`, DATABASE_URL in the process"
        f" environment, DATABASE_URL and POSTGRES_* in {looked}",
    )


def _file_notes(settings: Settings) -> tuple[str, ...]:
    name, files = settings.environment.name, settings.cascade
    own = str(settings.project.shown(settings.project.root / f".env.{name}"))
    absent = settings.environment.strictness and own in files.missing
    return (*files.notes, *((f"there is no {own}",) if absent else ()))


def _given(settings: Settings, url: str, source: str, *, rewritten: bool) -> Target:
    url = url.strip()
    if url == EMBEDDED:
        return Target(None, "embedded server in .nself/postgres", source, embedded=True)
    parts = database_url.parse(url, source, default_user=_system_user())
    if rewritten and parts.is_compose_internal:
        return _on_this_machine(settings, parts, source)
    return _target(parts, source)


def _composed(settings: Settings) -> Target:
    """Build a URL from POSTGRES_*; what the files leave out may come from the process.

    So does nself itself: it loads the files over the process environment.
    """
    files = settings.cascade
    values = {**settings.environ, **files.values}
    password = values.get("POSTGRES_PASSWORD")
    host = values.get("POSTGRES_HOST") or COMPOSE_HOST
    port = values.get("POSTGRES_PORT") or DEFAULT_PORT
    if settings.via and host in _LOCAL:
        # POSTGRES_PORT is the published one; inside of its container the server has the usual one.
        port = DEFAULT_PORT
    named = sorted({files.sources[key] for key in _COMPOSED_FROM if files.values.get(key)})
    source = f"POSTGRES_* in {', '.join(named)}"
    parts = DatabaseUrl(
        "postgresql",
        _encoded(values.get("POSTGRES_USER") or "postgres"),
        _encoded(password) if password else None,
        f"[{host}]:{port}" if ":" in host else f"{_encoded(host)}:{port}",
        _encoded(values.get("POSTGRES_DB") or _default_database(settings)),
        "",
    )
    parts = database_url.parse(str(parts), source, default_user="postgres")
    if host in _LOCAL:
        machine = _on_this_machine(settings, parts, source)
        # The service name was never written anywhere: there is no rewriting to tell of.
        return (
            machine if values.get("POSTGRES_HOST") == COMPOSE_HOST else replace(machine, notes=())
        )
    return _target(parts, source)


def _default_database(settings: Settings) -> str:
    """Give v2's default; v1 had three, and a wrong guess is another database."""
    if settings.era == "v2":
        return "nself"
    raise UsageError(
        "POSTGRES_DB is not set, and ɳSelf v1 had several defaults for it (nhost, the project's"
        " name, nself)",
        hint="set POSTGRES_DB in `.env` to the database in use, or give `--database-url`",
    )


def _on_this_machine(settings: Settings, parts: DatabaseUrl, source: str) -> Target:
    """Turn the compose network's address into the one that the compose file publishes."""
    chosen = settings.environment
    if chosen.strictness and settings.own_environment != chosen.name:
        own = settings.own_environment or "not set"
        raise GuardError(
            f"the database of {chosen.name} ({chosen.source}) is not named: {source} means the"
            f" compose service of this machine, and ENV in `.env` is {own}",
            hint="name it with `--database-url`, or set DATABASE_URL in"
            f" `.env.{chosen.name}` to its address",
            database="unchanged",
        )
    host = parts.hosts.rpartition(":")[0]
    if host != COMPOSE_HOST or settings.via:
        return _target(parts, source)
    port = _published_port(settings.cascade.values, settings.environ)
    moved = replace(parts, hosts=f"{_MACHINE}:{port}")
    moved = database_url.parse(str(moved), f"POSTGRES_PORT for {source}", default_user="postgres")
    note = f"host `{COMPOSE_HOST}` is known inside compose only: using {moved.hosts} instead"
    return replace(_target(moved, source), notes=(note,))


def _published_port(files: Mapping[str, str], environ: Mapping[str, str]) -> str:
    return files.get("POSTGRES_PORT") or environ.get("POSTGRES_PORT") or DEFAULT_PORT


def _target(parts: DatabaseUrl, source: str) -> Target:
    return Target(url=str(parts), shown=mask_url(str(parts)), source=source)


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")


def _system_user() -> str:
    """Give the name of the user whose process this is, as libpq does."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "postgres"
