"""Writes values out where they stand, because v2 would not find what they refer to.

STORAGE_ROUTE=storage.${BASE_DOMAIN}          STORAGE_ROUTE=storage.shop.org
BASE_DOMAIN=shop.org                     ->   BASE_DOMAIN=shop.org
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nself_tasks.artifacts.env_compare import equal
from nself_tasks.artifacts.env_files import SECRETS, Entries, EnvFile, Setting, entries
from nself_tasks.artifacts.env_plan import Orders
from nself_tasks.artifacts.env_spelled import spelled
from nself_tasks.artifacts.env_values import Value, quoted
from nself_tasks.rewriting.expansion import references
from nself_tasks.secrets import is_secret_key


class References:
    """What the values of the files refer to, directly or not."""

    def __init__(self, found: Entries) -> None:
        self._refers: dict[str, set[str]] = {}
        self._here: dict[str, set[str]] = {}
        self._said: set[str] = set()
        for name, pairs in found.items():
            for key, value in pairs:
                self._said.add(key)
                self._here.setdefault(name, set()).add(key)
                if value is not None and value.varies:
                    self._refers.setdefault(key, set()).update(references(value.text))

    def reveal(self, key: str, name: str | None) -> bool:
        """Tell whether a key's value, written out, is a secret that the file has not had, or has
        one in it."""
        reached, waiting = set[str](), {key}
        while waiting:
            reached |= waiting
            waiting = {n for other in waiting for n in self._refers.get(other, ())} - reached
        if name == SECRETS:
            return False
        # A name that no file says gives nothing.
        elsewhere = (reached & self._said) - self._here.get(name or "", set()) - {key}
        return any(map(is_secret_key, elsewhere)) or (bool(elsewhere) and is_secret_key(key))


_Merged = Mapping[str, Mapping[str, Setting]]
"""What every environment has."""


def written_out(files: Mapping[str, EnvFile], orders: Orders) -> dict[str, EnvFile]:
    """Give the files with the values that have to be written out where they stand.

    Those of keys that win in v2 where they won in v1, with the same value for every environment
    that takes it from there; no secret comes into a file that has not had it.
    """
    found = entries(files.values())
    if not any(value and value.varies for pairs in found.values() for _, value in pairs):
        return dict(files)
    refer = References(found)
    before = {name: spelled(found, v1, "v1") for name, (v1, _) in orders.items()}
    after = {name: spelled(found, v2, "v2") for name, (_, v2) in orders.items()}
    made = {}
    for name, file in files.items():
        wanted = {} if file.broken else dict(_wanted(file, before, after, refer))
        made[name] = replace(file, spelled=wanted) if wanted else file
    return made


def _wanted(
    file: EnvFile, before: _Merged, after: _Merged, refer: References
) -> Iterator[tuple[int, Value]]:
    last = {assignment.key: assignment for assignment in file.assignments}
    for key, assignment in last.items():
        raw = file.value(assignment)
        if raw is None or not raw.varies:
            continue
        olds = {e: s for e, now in before.items() if (s := now.get(key)) and s.file == file.name}
        news = {e: s for e, now in after.items() if (s := now.get(key)) and s.file == file.name}
        if not any(not equal(key, olds[e], news[e]) for e in olds.keys() & news.keys()):
            continue
        value = next(iter(olds.values())).value
        alike = all(setting.value == value for setting in olds.values())
        can = value is not None and alike and quoted(value.text) is not None
        if value and can and not refer.reveal(key, file.name):
            yield assignment.key_span[0], value
