"""What a service's container is in a v2 file beside a v1 one: all of it stays but for v2's own.

What v2 adds by itself: logging, limits, dropped capabilities, a read-only file system with `tmpfs`
to the services that it generates; to services of one's own logging and `no-new-privileges`.
"""

from __future__ import annotations

from collections.abc import Iterator

from nself_tasks.artifacts import carried_state as state
from nself_tasks.artifacts.carried_values import same
from nself_tasks.artifacts.compose_meaning import Meaning
from nself_tasks.artifacts.compose_ports import without_address

_TO_ANY = frozenset({"logging", "security_opt", "container_name"})
_TO_GENERATED = _TO_ANY | {
    *("deploy", "mem_limit", "mem_reservation", "cpus", "pids_limit", "ulimits", "shm_size"),
    *("cap_drop", "read_only", "tmpfs", "init", "stop_grace_period"),
    *("restart", "healthcheck", "labels", "depends_on"),
}
_NO_VERSION = frozenset({"nginx", "mailpit", "mailhog", "nself-admin"})
"""They keep nothing, and v2 brings the versions that its own settings are made for."""
_ELSEWHERE = {
    state.POSTGRES: frozenset(
        {"user", *(f"environment.{key}" for key in ("PGDATA", "POSTGRES_USER", "POSTGRES_DB"))}
    )
}
"""Held by what they mean, with the defaults that the image has."""
_BY_MEANING = frozenset({"", "volumes", "ports", "image"})
_NOTHING: tuple[object, ...] = ("", None, [], {})
_MISSING = object()
_EVERYWHERE = ("", "0.0.0.0")


def changes(
    before: Meaning, after: Meaning, service: str, *, own: bool, passing: frozenset[str]
) -> Iterator[str]:
    """Say which settings of a service v2 would change; `passing` may come and go."""
    old, new = _settings(before, service), _settings(after, service)
    skipped = _BY_MEANING | _ELSEWHERE.get(service, frozenset())
    added = _TO_ANY if own else _TO_GENERATED
    for name in sorted((old.keys() | new.keys()) - skipped):
        was, now = old.get(name, _MISSING), new.get(name, _MISSING)
        if name == "depends_on":
            was, now = _still_there(was, passing), _still_there(now, passing)
        is_variable = name.startswith("environment.")
        # v2 may set what v1 left empty, in a service that it generates.
        if not own and is_variable and was in ("", None, _MISSING):
            continue
        verb = ""
        if _is_absent(name, now):
            verb = "" if _is_absent(name, was) else "leaves out"
        elif _is_absent(name, was):
            verb = "" if name in added else "adds"
        elif not same(name, was, now, may_grow=not own or name == "security_opt"):
            verb = "changes"
        if verb and not name.startswith("x-") and not _is_mail(was, now):
            yield f"it {verb} `{name}` of the service `{service}`"
    yield from _image(before, after, service, own=own)


def _is_absent(name: str, value: object) -> bool:
    """Tell whether a setting says nothing; an empty command does, and an empty variable."""
    telling = name in ("command", "entrypoint") or name.startswith("environment.")
    return value is _MISSING or value is None if telling else value in (_MISSING, *_NOTHING)


def _is_mail(was: object, now: object) -> bool:
    """Tell whether what sent its mail to MailHog sends it to Mailpit."""
    return (was, now) == ("mailhog", "mailpit")


def ports(before: Meaning, after: Meaning, service: str, environment: str) -> Iterator[str]:
    """Say where other ports are published: v2's nginx answers the machine alone in dev."""
    old, new = (m.get((service, "ports")) or [] for m in (before, after))
    if service == "nginx" and len(old) == len(new):
        pairs = zip(sorted(old, key=without_address), sorted(new, key=without_address), strict=True)
        if all(_nginx_port(was, now, environment) for was, now in pairs):
            return
    if sorted(old) != sorted(new):
        yield f"it changes `ports` of the service `{service}`"


def shared(before: Meaning, after: Meaning) -> Iterator[str]:
    """Say which network, secret or config of the file would be another one."""
    for (service, name), settings in before.items():
        sort = name.partition(" ")[0]
        if service or sort not in ("networks", "secrets", "configs"):
            continue
        there = after.get((service, name))
        gone = there is None and sort != "networks"
        if gone or (there is not None and _driven(settings) != _driven(there)):
            yield f"it changes `{name.replace(' ', '` `')}`"


def _driven(settings: dict[str, object]) -> dict[str, object]:
    return {k: v for k, v in settings.items() if (k, v) != ("driver", "bridge")}


def _settings(found: Meaning, service: str) -> dict[str, object]:
    return {name: value for (owner, name), value in found.items() if owner == service}


def _still_there(depends: object, passing: frozenset[str]) -> object:
    if isinstance(depends, dict):
        return {key: value for key, value in depends.items() if key not in passing}
    return [key for key in depends if key not in passing] if isinstance(depends, list) else depends


def _image(before: Meaning, after: Meaning, service: str, *, own: bool) -> Iterator[str]:
    if service == state.POSTGRES or service in _NO_VERSION:
        return
    if own and before.get((service, "image")) != after.get((service, "image")):
        yield f"it changes `image` of the service `{service}`"
    elif not own:
        yield from state.version(before, after, service)


def _nginx_port(was: str, now: str, environment: str) -> bool:
    (old, what), (new, same_) = without_address(was), without_address(now)
    narrower = old in _EVERYWHERE and new == "127.0.0.1" and environment == "dev"
    return what == same_ and (old == new or narrower or {old, new} <= {*_EVERYWHERE})
