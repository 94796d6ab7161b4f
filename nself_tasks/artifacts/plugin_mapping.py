"""Makes a v2 plugin manifest of a v1 one: key by key.

What has no place in v2 is named, never dropped: the caller then changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nself_tasks.artifacts import plugin_shapes as shapes
from nself_tasks.artifacts.plugin_fields import (
    CARRIED,
    CONVERTED,
    DEPRECATION,
    DROPPED,
    NAME,
    STATUSES,
    VERSION,
)
from nself_tasks.artifacts.plugin_json import named
from nself_tasks.artifacts.plugin_shapes import Unmapped
from nself_tasks.artifacts.plugin_validation import schema_of


@dataclass(slots=True)
class Mapped:
    """A v2 manifest, or why there is none."""

    manifest: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Keys that v2 forbids, and unknown ones that say nothing."""


def mapped(v1: dict[str, Any]) -> Mapped:
    """Convert a manifest; where there are problems its `manifest` is of no use."""
    made = Mapped({"manifest_version": 2})
    strange = v1.keys() - CARRIED.keys() - CONVERTED - DROPPED
    empty = {key for key in strange if shapes.says_nothing(v1[key])}
    made.left_out = sorted((v1.keys() & DROPPED) | empty)
    if strange - empty:
        made.problems.append(f"v2 has no place for {named(strange - empty)}")
    for part in (_required, _carried, _status, _licence, _service, _requires, _lists, _routes):
        try:
            part(v1, made.manifest)
        except Unmapped as error:
            made.problems.append(str(error))
    return made


def _required(v1: dict[str, Any], v2: dict[str, Any]) -> None:
    for key in ("name", "version", "description", "category", "minNselfVersion"):
        if not shapes.is_text(v1.get(key)) or not v1[key]:
            raise Unmapped(f"{key} is missing or no text")
    if not NAME.fullmatch(v1["name"]):
        raise Unmapped("name is not lower-case letters, digits and dashes")
    for key in ("version", "minNselfVersion"):
        if not VERSION.fullmatch(v1[key]):
            raise Unmapped(f"{key} is no version such as 1.0.0")


def _carried(v1: dict[str, Any], v2: dict[str, Any]) -> None:
    wrong = []
    for key, fits in CARRIED.items():
        value = v1.get(key)
        if value is None or value in ("", [], {}) or (key == "port" and value == 0):
            continue  # v2 leaves out what is empty
        value = shapes.without_nulls(value)
        if fits(value):
            v2[key] = value
        else:
            wrong.append(key)
    if wrong:
        raise Unmapped(f"v2 expects something else in {named(wrong)}")


def _status(v1: dict[str, Any], v2: dict[str, Any]) -> None:
    status = v1.get("status") or ""
    told = _texts(v1.get("deprecation") or {}, "deprecation", DEPRECATION)
    deprecated = v1.get("deprecated") or False
    if not shapes.truth(deprecated):
        raise Unmapped("deprecated is neither true nor false")
    for key in ("replacedBy", "replacement"):
        successor = v1.get(key)
        if successor and told.setdefault("replacedBy", successor) != successor:
            raise Unmapped("the manifest names several successors")
    if not shapes.is_text(told.get("replacedBy", "")):
        raise Unmapped("the successor is no text")
    if status == "" and (deprecated or told):
        status = "deprecated"
    if not shapes.is_text(status) or status not in STATUSES:
        raise Unmapped(f"status {named(status)} is unknown")
    v2["maturity"], v2["status"] = STATUSES[status]
    if v2["maturity"] == "deferred":
        v2["deprecation"] = {**told, "state": status}
    elif deprecated or told:
        raise Unmapped(f"it is deprecated, and its status is {named(status)}")


def _texts(value: Any, what: str, keys: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(value, dict) or not value.keys() <= set(keys):
        raise Unmapped(f"{what} has something else than {', '.join(keys)}")
    found = {key: part for key, part in value.items() if part is not None}
    if not all(map(shapes.is_text, found.values())):
        raise Unmapped(f"{what} has something that is no text")
    return found


def _licence(v1: dict[str, Any], v2: dict[str, Any]) -> None:
    for key in ("isCommercial", "requires_license"):
        if v1.get(key) is not None and not shapes.truth(v1[key]):
            raise Unmapped(f"{key} is neither true nor false")
    for key in ("license", "licenseType", "tier"):
        if v1.get(key) is not None and not shapes.is_text(v1[key]):
            raise Unmapped(f"{key} is no text")
    sold = v1.get("isCommercial") or v1.get("requires_license")
    paid = any((v1.get(key) or "free") != "free" for key in ("licenseType", "tier"))
    sort = "licensed" if sold or paid else "free"
    v2["license"] = sort
    v2["licenseType"] = v2["tier"] = "pro" if sort == "licensed" else "free"
    if sort == "licensed":
        v2["isCommercial"] = v2["requires_license"] = True


def _service(v1: dict[str, Any], v2: dict[str, Any]) -> None:
    image = v1.get("docker_image") or ""
    if not shapes.is_text(image):
        raise Unmapped("docker_image is no text")
    if port := v2.get("port"):
        v2["service"] = {
            "kind": "compose",
            "compose": "docker-compose.plugin.yml",
            "healthcheck": v2.get("health_endpoint", "/health"),
            "port": port,
        }
    else:
        v2["service"] = {
            "kind": "cli" if v1.get("commands") or v1.get("cliCommands") else "library"
        }
    if image:
        v2["service"]["image"] = image


def _requires(v1: dict[str, Any], v2: dict[str, Any]) -> None:
    plugins = v1.get("depends_on") or []
    if not shapes.strings(plugins):
        raise Unmapped("depends_on is no list of names")
    v2["requires"] = {"nself": f">={v1.get('minNselfVersion')}"}
    if plugins:
        v2["requires"]["plugins"] = plugins
    required, optional = shapes.dependencies(v1.get("dependencies"), v1.get("optionalDependencies"))
    if required:
        v2["dependencies"] = required
    if optional:
        v2["optionalDependencies"] = optional
    if v2.get("tables"):
        v2["schema"] = schema_of(str(v1.get("name")))


def _lists(v1: dict[str, Any], v2: dict[str, Any]) -> None:
    hooks = v1.get("webhooks") or []
    hooks = sorted(hooks) if isinstance(hooks, dict) else hooks
    if not shapes.strings(hooks):
        raise Unmapped("webhooks is no list of names")
    found = {
        "webhooks": hooks,
        "envVars": shapes.env_vars(v1["envVars"]) if v1.get("envVars") else [],
        "apiEndpoints": shapes.endpoints(v1["apiEndpoints"]) if v1.get("apiEndpoints") else [],
    }
    v2.update({key: value for key, value in found.items() if value})


def _routes(v1: dict[str, Any], v2: dict[str, Any]) -> None:
    for new, one, other in (("rest_routes", "rest_routes", "routes"), ("env", "env", "env_vars")):
        values = [v1[key] for key in (one, other) if v1.get(key)]
        if len(values) == 2 and values[0] != values[1]:
            raise Unmapped(f"{one} and {other} differ")
        if values:
            v2[new] = shapes.variable_names(values[0]) if new == "env" else values[0]
    if not (shapes.strings(v2.get("rest_routes", [])) or shapes.named_texts(v2["rest_routes"])):
        raise Unmapped("routes has an entry of another shape")
