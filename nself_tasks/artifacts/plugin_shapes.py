"""What a value of a plugin manifest must look like, and how v1's several shapes become v2's one."""

from __future__ import annotations

from typing import Any, TypeGuard


class Unmapped(Exception):
    """A value that has no place in v2, in words."""


def strings(value: Any) -> TypeGuard[list[str]]:
    """Tell whether it is a list of texts, none of them empty."""
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def is_text(value: Any) -> TypeGuard[str]:
    """Tell whether it is a text."""
    return isinstance(value, str)


def truth(value: Any) -> TypeGuard[bool]:
    """Tell whether it is true or false."""
    return isinstance(value, bool)


def is_port(value: Any) -> TypeGuard[int]:
    """Tell whether it is a port, or 0 for none."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535


def named_texts(value: Any) -> bool:
    """Tell whether it is a list of objects that hold texts only, such as commands."""
    return isinstance(value, list) and all(
        isinstance(item, dict) and item and all(map(is_text, item.values())) for item in value
    )


def permissions(value: Any) -> bool:
    """Tell whether it is a list of permissions, or one for each sort."""
    return strings(value) or (isinstance(value, dict) and all(map(strings, value.values())))


def flat(value: Any) -> bool:
    """Tell whether it is an object of single values."""
    return isinstance(value, dict) and not any(isinstance(v, (dict, list)) for v in value.values())


def needs(value: Any) -> bool:
    """Tell whether it is what the system must have: lists of names or of objects of texts."""
    return (
        isinstance(value, dict)
        and value.keys() <= {"required", "recommended"}
        and all(strings(part) or named_texts(part) for part in value.values())
    )


def without_nulls(value: Any) -> Any:
    """Give the value without keys that say nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def says_nothing(value: Any) -> bool:
    """Tell whether a value is empty, however deep: `{}`, `{"postInstall": null}`."""
    if isinstance(value, dict):
        return all(says_nothing(part) for part in value.values())
    return value is None or value in ("", [])


def env_vars(value: Any) -> list[dict[str, Any]]:
    """Give the variables as v2 lists them; raises Unmapped."""
    if isinstance(value, dict) and value.keys() <= {"required", "optional"}:
        found: list[dict[str, Any]] = []
        for kind in ("required", "optional"):
            group = value.get(kind) or []
            items = (
                group.items()
                if isinstance(group, dict)
                else [(name, None) for name in group]
                if strings(group)
                else None
            )
            if items is None:
                raise Unmapped(f"envVars.{kind} is no list of names")
            found += [_variable(name, kind == "required", default=given) for name, given in items]
        return found
    if isinstance(value, list):
        return [_listed_variable(item) for item in value]
    raise Unmapped("envVars is neither a list nor `required` and `optional`")


def _listed_variable(item: Any) -> dict[str, Any]:
    if is_text(item):
        return _variable(item, False)
    if not isinstance(item, dict) or not item.keys() <= {
        "name",
        "required",
        "description",
        "default",
    }:
        raise Unmapped("envVars has an entry of another shape")
    name, required = item.get("name"), item.get("required", False)
    if not is_text(name) or not truth(required):
        raise Unmapped("envVars has an entry without a name")
    text = item.get("description") or ""
    if not is_text(text):
        raise Unmapped("envVars has a description that is no text")
    return _variable(name, required, text, default=item.get("default"))


def _variable(
    name: str, required: bool, description: str = "", *, default: Any = None
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "required": required, "description": description}
    if default is None:
        return found
    if isinstance(default, (dict, list)):
        raise Unmapped("envVars has a default that is no single value")
    written = str(default).lower() if truth(default) else str(default)
    return {**found, "default": written}


def dependencies(required: Any, optional: Any) -> tuple[list[str], list[str]]:
    """Give the names of the required and of the optional plugins; raises Unmapped."""
    more: Any = []
    if isinstance(required, dict):
        if not required.keys() <= {"required", "optional"}:
            raise Unmapped("dependencies names something else than `required` and `optional`")
        required, more = required.get("required") or [], required.get("optional") or []
    required, optional = required or [], optional or []
    if not (strings(required) and strings(optional) and strings(more)):
        raise Unmapped("dependencies is no list of names")
    return required, list(dict.fromkeys((*optional, *more)))


def endpoints(value: Any) -> list[str]:
    """Give `GET /items` for each endpoint; raises Unmapped."""
    found = []
    for item in value if isinstance(value, list) else [None]:
        if (
            isinstance(item, dict)
            and item.keys() <= {"method", "path"}
            and is_text(item.get("path"))
        ):
            method = item.get("method") or ""
            item = f"{method} {item['path']}".strip() if is_text(method) else None
        if not is_text(item):
            raise Unmapped("apiEndpoints has an entry of another shape")
        found.append(item)
    return found


def variable_names(value: Any) -> dict[str, list[str]]:
    """Give `env` as v2 has it; raises Unmapped."""
    if isinstance(value, dict) and value.keys() <= {"required", "optional"}:
        found = {key: part or [] for key, part in value.items()}
        if all(map(strings, found.values())):
            return found
    raise Unmapped("env is not `required` and `optional` with names")
