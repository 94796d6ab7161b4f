"""What a compose file means to Compose, so that two of them can be held against each other.

The law of an upgrade: services, images, commands, users, environments, published ports, mounts and
the real names of volumes and networks are the same before and after, but for what is announced.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from nself_tasks.artifacts.compose_formulas import Values, expanded
from nself_tasks.artifacts.compose_ports import published
from nself_tasks.artifacts.compose_references import env_files_of
from nself_tasks.rewriting import dotenv
from nself_tasks.rewriting.yaml_spans import Node
from nself_tasks.rewriting.yaml_values import plain

Meaning = Mapping[tuple[str, str], Any]
"""By service (or empty for the file's own) and property: `("auth", "environment.AUTH_PORT")`."""

FROM_FILE = "env_file."
"""Begins the property of a variable that a service gets by `env_file`."""
_NO_FILES: Mapping[str, str] = {}


def meaning(
    root: Node | None,
    context: Values,
    project: str | None = None,
    env_files: Mapping[str, str] = _NO_FILES,
) -> Meaning:
    """Give what the file says once its variables are replaced.

    Without `project` the file's own `name:` is the prefix of volumes and networks. A service gets
    what those of `env_files` say that it names, below its own environment.
    """
    data = plain(root)
    data = _interpolated(data, context) if isinstance(data, dict) else {}
    name = project or str(data.get("name") or "")
    real = {
        sort: {
            key: str(_mapping(spec).get("name") or _own_name(key, spec, name))
            for key, spec in _mapping(data.get(sort)).items()
        }
        for sort in ("volumes", "networks", "secrets", "configs")
    }
    found: dict[tuple[str, str], Any] = {}
    for sort, names in real.items():
        for key, spec in _mapping(data.get(sort)).items():
            found["", f"{sort} {names[key]}"] = _described(spec)
    for service, spec in _mapping(data.get("services")).items():
        for key, value in _service(spec, real).items():
            found[service, key] = value
        for key, value in _handed_over(_mapping(spec), env_files, context).items():
            if (service, f"environment.{key}") not in found:
                found[service, f"{FROM_FILE}{key}"] = value
    return found


def _handed_over(
    spec: dict[str, Any], env_files: Mapping[str, str], context: Values
) -> Mapping[str, str]:
    """Give what a service gets by `env_file`, the last file winning."""
    found: dict[str, dotenv.Assignment] = {}
    for name in env_files_of(spec):
        text = env_files.get(posixpath.normpath(name), "")
        found.update((assignment.key, assignment) for assignment in dotenv.parse(text))
    return dotenv.interpolate(found, context)


def _own_name(key: str, spec: Any, project: str) -> str:
    return key if _mapping(spec).get("external") else f"{project}_{key}"


def differences(before: Meaning, after: Meaning) -> frozenset[tuple[str, str]]:
    """Give the services' properties that are not the same in both."""
    return frozenset(
        key
        for key in before.keys() | after.keys()
        if before.get(key, _MISSING) != after.get(key, _MISSING)
    )


_MISSING = object()


def _interpolated(value: Any, context: Values) -> Any:
    if isinstance(value, str):
        return expanded(value, context)
    if isinstance(value, list):
        return [_interpolated(item, context) for item in value]
    if isinstance(value, dict):
        # Compose replaces no keys; v0.2 wrote a network's key as a variable all the same.
        return {expanded(k, context): _interpolated(v, context) for k, v in value.items()}
    return value


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _described(spec: Any) -> dict[str, Any]:
    """Give a volume's or network's settings; `driver: local` is what a volume has by itself."""
    settings = {key: value for key, value in _mapping(spec).items() if key != "name"}
    if settings.get("driver") == "local":
        del settings["driver"]
    return settings


def _service(spec: Any, real: Mapping[str, Mapping[str, str]]) -> Mapping[str, Any]:
    found: dict[str, Any] = {"": "there"}
    settings = dict(_mapping(spec))
    for name, value in _environment(settings.pop("environment", None)).items():
        found[f"environment.{name}"] = value
    mounts = _items(settings.pop("volumes", None))
    found["volumes"] = [_mount(item, real["volumes"]) for item in mounts]
    found["ports"] = sorted(map(published, _items(settings.pop("ports", None))))
    networks = settings.pop("networks", None) or ["default"]
    joined = networks if isinstance(networks, dict) else dict.fromkeys(map(_word, _items(networks)))
    found["networks"] = {real["networks"].get(key, key): value for key, value in joined.items()}
    depends = settings.pop("depends_on", None)
    words = sorted(map(_word, _items(depends)))
    found["depends_on"] = depends if isinstance(depends, dict) else words
    return {**settings, **found}


def _items(value: Any) -> list[Any]:
    """Give a list whatever stands where one should: a damaged file still has to be compared."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _word(value: Any) -> str:
    """Give a value as it comes to the container: Compose passes words only."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _environment(value: Any) -> Mapping[str, str | None]:
    if isinstance(value, dict):
        return {key: None if item is None else _word(item) for key, item in value.items()}
    found: dict[str, str | None] = {}
    for item in _items(value):
        name, sign, rest = str(item).partition("=")
        found[name] = rest if sign else None
    return found


def _mount(item: Any, real: Mapping[str, str]) -> Any:
    """Give a mount with its volume's real name in place of the key."""
    if isinstance(item, dict):
        source = str(item.get("source"))
        return {**item, "source": real.get(source, source)}
    source, sign, rest = str(item).partition(":")
    return f"{real.get(source, source)}{sign}{rest}"
