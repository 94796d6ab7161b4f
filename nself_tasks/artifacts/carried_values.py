"""When two settings of a service say the same, in whichever of Compose's ways they are written.

command: serve --all            ["serve", "--all"]
healthcheck: {interval: 60s}    {interval: 1m0s}
labels: [a=1]                   {a: "1"}
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from nself_tasks.artifacts import carried_state as state

_WORDS = frozenset({"command", "entrypoint"})
_TABLES = frozenset({"labels", "annotations", "sysctls", "extra_hosts"})
_SETS = frozenset(
    {
        *("cap_add", "cap_drop", "security_opt", "group_add", "devices", "profiles", "expose"),
        *("tmpfs", "secrets", "configs", "volumes_from", "device_cgroup_rules"),
    }
)
_LISTS = frozenset({"dns", "dns_search", "env_file"})
_DURATIONS = frozenset({"interval", "timeout", "start_period", "start_interval"})
_GROWING = frozenset(
    {
        *("security_opt", "cap_drop", "tmpfs", "expose", "labels", "annotations", "networks"),
        *("deploy", "depends_on", "ulimits"),
    }
)
"""Of what v2 generates: more of these takes nothing away."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}


def same(name: str, old: Any, new: Any, *, may_grow: bool) -> bool:
    """Tell whether a setting is what it was; with `may_grow` v2's additions count as nothing."""
    if name.startswith("environment."):
        return _same_value(old, new)
    before, after = _normal(name, old), _normal(name, new)
    return _holds(before, after) if may_grow and name in _GROWING else before == after


def _same_value(old: Any, new: Any) -> bool:
    """A database's address and JSON may be written otherwise; any other value may not."""
    if old == new or not isinstance(old, str) or not isinstance(new, str):
        return bool(old == new)
    postgres = ("postgres://", "postgresql://")
    if old.startswith(postgres) and new.startswith(postgres):
        return bool(state.login(old) == state.login(new))
    return old.startswith("{") and bool(state.data(old) == state.data(new))


def _normal(name: str, value: Any) -> Any:
    if name in _WORDS and isinstance(value, str):
        return _split(value)
    if name == "healthcheck" and isinstance(value, dict):
        return {key: _check(key, item) for key, item in value.items()}
    if name in _TABLES and isinstance(value, list):
        return dict(map(_pair, value))
    if name in ("networks", "depends_on"):
        return _joined(name, value)
    if name in _SETS:
        return sorted(map(str, map(_word, _listed(value))))
    return _word(_listed(value) if name in _LISTS else value)


def _check(key: str, value: Any) -> Any:
    if key == "test" and isinstance(value, str):
        return ["CMD-SHELL", value]
    return _seconds(str(value)) if key in _DURATIONS else _word(value)


def _seconds(text: str) -> float | str:
    parts = re.findall(r"([0-9.]+)(h|ms|us|m|s)", text)
    whole = "".join(number + unit for number, unit in parts) == text
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if whole else text


def _joined(name: str, value: Any) -> Any:
    """Give networks and dependencies by name, with what Compose has where nothing is said."""
    table = value if isinstance(value, dict) else dict.fromkeys(map(str, _listed(value)))
    default = {"condition": "service_started"} if name == "depends_on" else {}
    given = {key: item if isinstance(item, dict) else {} for key, item in table.items()}
    return {key: _word({**default, **item}) for key, item in given.items()}


def _split(text: str) -> list[str] | str:
    try:
        return shlex.split(text)
    except ValueError:
        return text


def _pair(item: Any) -> tuple[str, str]:
    sign = "=" if "=" in str(item) else ":"
    name, _, value = str(item).partition(sign)
    return name, value.strip()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _word(value: Any) -> Any:
    """Give every scalar as the word that it is to Docker: `70` and `"70"` are one."""
    if isinstance(value, dict):
        return {key: _word(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_word(item) for item in value]
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    return str(value)


def _holds(old: Any, new: Any) -> bool:
    """Tell whether all of the old is in the new."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and _holds(item, new[key]) for key, item in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return all(item in new for item in old)
    return bool(old == new)
