"""CUSTOM_SERVICES of the first v1, which later ones read where there was no CS_1, as CS_1 to CS_10.

CUSTOM_SERVICES=api:js:api   ->   CS_1=api:js:8000:api
API_PORT=8010                     CS_1_PORT=8010
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nself_tasks.artifacts.env_keys import Renamed
from nself_tasks.artifacts.env_values import Value, service_names

KEY = "CUSTOM_SERVICES"
IGNORED = "v1 did not read it where there is a CS_1, and v2 never does"
_SETTINGS = ("PORT", "MEMORY", "CPU", "ENV", "HEALTHCHECK", "PUBLIC")
_NUMBERED = re.compile(r"CS_\d+")


def is_ignored(keys: Mapping[str, object]) -> bool:
    """Tell whether v1 passed over it."""
    return any(_NUMBERED.fullmatch(key) for key in keys)


def renamed_services(values: Mapping[str, Sequence[Value | None]]) -> Iterator[Renamed]:
    """Give the new names of it and of its services' settings; none where files differ in it.

    A setting's name hangs on where its service stands in the list.
    """
    said = {value.text if value else None for value in values.get(KEY, ())}
    if len(said) != 1 or is_ignored(values):
        return
    names = service_names(said.pop() or "")
    if names:
        yield Renamed(KEY, "CS_1", "services")
    for number, name in enumerate(names, 1):
        for setting in _SETTINGS:
            old = f"{name.upper()}_{setting}"
            if old in values:
                yield Renamed(old, f"CS_{number}_{setting}")
