"""What of one service must not change when its v1 file becomes a v2 one: what its data hangs on.

postgres:16-alpine, user 70:70, PGDATA …/data  ->  the very same
minio/minio:RELEASE.1, minio_data:/data        ->  pgsty/minio:RELEASE.1, the same volume
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from nself_tasks.artifacts.compose_meaning import Meaning

POSTGRES = "postgres"
STATEFUL = frozenset(
    {"hasura", "auth", "storage", "minio", "redis", "typesense", "meilisearch", "search"}
)
"""What keeps its version: a newer one may rewrite its data, an older one may not read it."""

_DATA = PurePosixPath("/var/lib/postgresql")
_PGDATA = "/var/lib/postgresql/data"
_DATA_OPTION = re.compile(r"(?:data_directory=|(?<!\S)-D[\s',\"\]]*)([^\s',\"\]]+)")
_NO_DATA = ("/docker-entrypoint-initdb.d", "/var/cache/nginx")
"""Read on the first start only, and a cache that v2 has in memory."""
_OWN_UID = ("", "0", "root", "postgres")
"""The image's own start changes from root to its user."""


def postgres(before: Meaning, after: Meaning) -> Iterator[str]:
    """Say what would make the running database another one, or unreadable."""
    old, new = _text(before, POSTGRES, "image"), _text(after, POSTGRES, "image")
    if _official(old) != _official(new):
        yield f"it swaps the image of postgres: {old} to {new}"
    if _uid(before) != _uid(after):
        users = [_text(m, POSTGRES, "user") or "the image's own user" for m in (before, after)]
        yield f"it runs postgres as another user: {users[0]} to {users[1]}"
    if _data_path(before) != _data_path(after):
        paths = [_data_path(m) for m in (before, after)]
        yield f"it moves the data of postgres: {paths[0]} to {paths[1]}"
    if dict(_data_mounts(before)) != dict(_data_mounts(after)):
        shown = [", ".join(f"{s}:{t}" for t, s in _data_mounts(m)) for m in (before, after)]
        yield f"it mounts another place for the data of postgres: {shown[0]} to {shown[1]}"


def version(before: Meaning, after: Meaning, service: str) -> Iterator[str]:
    """Say where a service that keeps something gets another version."""
    old, new = _text(before, service, "image"), _text(after, service, "image")
    if service != POSTGRES and _version(old) != _version(new):
        yield f"it changes the version of {service}: {old} to {new}"


def mounts(before: Meaning, after: Meaning, service: str, keep: frozenset[str]) -> Iterator[str]:
    """Say which mount a service would lose: those with volumes, and those at the targets `keep`."""
    found = mounted(after, service)
    for target, source in mounted(before, service).items():
        is_volume = source[:1] not in ("", ".", "/", "~")
        if not (is_volume or target in keep) or target in _NO_DATA:
            continue
        if found.get(target) != source:
            yield f"it takes `{source}` away from {service}, which has it at {target}"
        elif _is_read_only(before, service, target) != _is_read_only(after, service, target):
            yield f"it mounts {target} of {service} otherwise: read-only or not"
        elif is_volume and before.get(("", f"volumes {source}")) != after.get(
            ("", f"volumes {source}")
        ):
            yield f"it changes the settings of the volume `{source}`"


def _is_read_only(found: Meaning, service: str, target: str) -> bool:
    for item in found.get((service, "volumes")) or ():
        if isinstance(item, dict):
            if str(item.get("target")).rstrip("/") == target:
                return item.get("read_only") is True
        else:
            parts = str(item).split(":")
            if len(parts) > 2 and parts[1].rstrip("/") == target:
                return "ro" in parts[2].split(",")
    return False


def mounted(found: Meaning, service: str) -> Mapping[str, str]:
    """Give what is mounted in a service: the source (a volume's real name) by its target."""
    places: dict[str, str] = {}
    for item in found.get((service, "volumes")) or ():
        if isinstance(item, dict):
            source, target = str(item.get("source") or ""), str(item.get("target") or "")
        else:
            source, _, rest = str(item).partition(":")
            target = rest.partition(":")[0] or source
        places[target.rstrip("/")] = source.rstrip("/") or "/"
    return places


def logins(before: Meaning, after: Meaning) -> Iterator[str]:
    """Say which login or secret would be another one; never what it is."""
    user = [_text(m, POSTGRES, "environment.POSTGRES_USER") or "postgres" for m in (before, after)]
    for name, default in (
        ("POSTGRES_USER", ("postgres", "postgres")),
        ("POSTGRES_DB", (user[0], user[1])),
        ("POSTGRES_PASSWORD", ("", "")),
    ):
        old, new = (_text(m, POSTGRES, f"environment.{name}") for m in (before, after))
        if (old or default[0]) and (old or default[0]) != (new or default[1]):
            yield f"it gives postgres another {name}"
    for name, read in (
        ("HASURA_GRAPHQL_DATABASE_URL", login),
        ("HASURA_GRAPHQL_ADMIN_SECRET", str),
        ("HASURA_GRAPHQL_JWT_SECRET", data),
    ):
        old, new = (_text(m, "hasura", f"environment.{name}") for m in (before, after))
        if old and read(old) != read(new):
            yield f"it gives hasura another {name}"


def _text(found: Meaning, service: str, name: str) -> str:
    value = found.get((service, name))
    return "" if value is None else str(value)


def _official(image: str) -> str:
    """Give an image without the registry that Docker has by itself."""
    name = image.removeprefix("docker.io/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] or "@" in name or not name else f"{name}:latest"


def _version(image: str) -> tuple[str, str]:
    """Give an image's last name and its version; who publishes it may change."""
    name, _, digest = image.partition("@")
    last, _, tag = name.rpartition("/")[2].partition(":")
    return last, digest or tag or "latest"


def _uid(found: Meaning) -> str:
    uid = _text(found, POSTGRES, "user").partition(":")[0]
    if uid not in _OWN_UID:
        return uid
    image = _text(found, POSTGRES, "image")
    known = _version(image)[0] in ("postgres", "pgvector", "postgis", "timescaledb")
    return "70" if "alpine" in image else "999" if known else "its own"


def _data_path(found: Meaning) -> str:
    options = _DATA_OPTION.findall(str(found.get((POSTGRES, "command")) or ""))
    return str(options[-1] if options else _pgdata(found)).rstrip("/")


def _pgdata(found: Meaning) -> str:
    return _text(found, POSTGRES, "environment.PGDATA") or _PGDATA


def _data_mounts(found: Meaning) -> list[tuple[str, str]]:
    """Give what is mounted at the data path, around it and in it, by target."""
    path = PurePosixPath(_data_path(found))
    memory: Any = found.get((POSTGRES, "tmpfs")) or []
    fleeting = memory if isinstance(memory, list) else [memory]
    places = {
        **mounted(found, POSTGRES),
        **{str(place).partition(":")[0]: "memory" for place in fleeting},
    }
    return sorted(
        (target, source)
        for target, source in places.items()
        if PurePosixPath(target).is_relative_to(_DATA)
        or PurePosixPath(target).is_relative_to(path)
        or path.is_relative_to(target)
    )


def login(url: str) -> Any:
    """Give who logs in where; the way of writing it may change, and options may be added."""
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        return url
    login = tuple(unquote(part or "") for part in (parts.username, parts.password, parts.path))
    return (*login, parts.hostname, port)


def data(text: str) -> Any:
    """Give what a JSON text says, or the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
