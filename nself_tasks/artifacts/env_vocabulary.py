"""Which keys of a project's env files v2 calls otherwise, or not at all, and what that makes of
the values that win.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from nself_tasks.artifacts.env_files import BASE, EnvFile, Setting
from nself_tasks.artifacts.env_keys import (
    ENGINES,
    ONE_ENGINE,
    PRIORITY,
    TOGETHER,
    Renamed,
    renamed,
    revalued,
)
from nself_tasks.artifacts.env_removed_keys import removed
from nself_tasks.artifacts.env_services import IGNORED, KEY, is_ignored, renamed_services
from nself_tasks.artifacts.env_values import Pairs, Value, converted, plain


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The old keys of one project that can be dealt with."""

    olds: Mapping[str, Renamed]
    removed: Mapping[str, str]
    """With the reason."""
    needed: frozenset[str]
    """Names that a compose file or another value refers to: they have to stay."""
    partial: frozenset[str] = frozenset()
    """New keys into which some values of a removed key go, and the others nowhere."""

    def pairs(self, key: str, value: Value) -> Pairs:
        """Give the new keys and values of an old key."""
        row = self.olds[key]
        return converted(row.new, row.conversion, value) or ()

    def ranked(self, keys: Iterable[str]) -> list[str]:
        """Give the old keys among these, the one that wins first."""
        return sorted(set(keys) & self.olds.keys(), key=rank)

    def stronger(self) -> dict[str, frozenset[str]]:
        """Give for each old key the keys that win over it: the new one, and older ones of that."""
        found: dict[str, frozenset[str]] = {}
        beside: dict[str, list[str]] = {}
        for old in self.ranked(self.olds):
            new = self.olds[old].new
            found[old] = frozenset((new, *beside.get(new, ())))
            beside.setdefault(new, []).append(old)
        return found

    def translated(self, settings: Mapping[str, Setting]) -> dict[str, Setting]:
        """Give the settings as v2 calls them: this is what must hold after the upgrade."""
        target = {
            key: _revalued(key, setting)
            for key, setting in settings.items()
            if key in self.needed or (key not in self.olds and key not in self.removed)
        }
        for old in self.ranked(settings):
            setting = settings[old]
            if setting.value and self.olds[old].new not in target:
                for key, value in self.pairs(old, setting.value):
                    target.setdefault(key, Setting(value, False, setting.file))
        return target


def rank(old: str) -> tuple[int, str]:
    """Sort old keys of one new key by who wins."""
    return PRIORITY.get(old, len(PRIORITY)), old


def _revalued(key: str, setting: Setting) -> Setting:
    new = setting.value and revalued(key, setting.value.text)
    return Setting(plain(new), setting.inherits, setting.file) if new else setting


_ON = frozenset({"true", "1", "yes", "on"})


def vocabulary(
    files: Collection[EnvFile], needed: frozenset[str], winners: Collection[tuple[str, str]]
) -> Vocabulary:
    """Look which old keys are there and can be dealt with, in every file in the same way.

    `winners` are key and file of what some environment has.
    """
    values: dict[str, list[Value | None]] = {}
    alive: dict[str, list[Value | None]] = {}
    for file in files:
        for assignment in file.assignments:
            key, value = assignment.key, file.value(assignment)
            values.setdefault(key, []).append(value)
            if value is None or (key, file.name) in winners:
                alive.setdefault(key, []).append(value)
    fixed = {a.key for file in files if file.broken for a in file.assignments}
    fixed |= {key for pair in TOGETHER if len(values.keys() & set(pair)) == 1 for key in pair}
    engines, ignored = dict(_engines(values)), dict(_ignored(files))
    services = {row.old: row for row in renamed_services(values)}
    olds, gone = dict[str, Renamed](), dict[str, str]()
    for key in values.keys() - fixed:
        row = services.get(key) or renamed(key)
        if key in engines and engines[key] != "keep":
            row, why = (row, None) if engines[key] == "rename" else (None, ONE_ENGINE)
        elif key in engines:
            continue
        elif why := ignored.get(key):
            row = None
        elif key == KEY and is_ignored(values):
            why = IGNORED
        else:
            why = removed(key)
        # A bare new key takes the process's value: whether it is set cannot be told.
        given = alive.get(key) or values[key]
        if row and None not in values.get(row.new, ()) and _can_go(row, given, why, needed):
            olds[key] = row
        elif why and key not in needed:
            gone[key] = f"nself v2 does not read {key}: {why}"
    partial = frozenset(row.new for key, row in olds.items() if removed(key))
    return Vocabulary(olds, gone, needed, partial)


def _can_go(
    row: Renamed, values: Iterable[Value | None], why: str | None, needed: frozenset[str]
) -> bool:
    """Tell whether every value can go with the key; a bare key has none to go.

    Of a key that v2 has no use for, one that can is enough.
    """
    can = [v is not None and bool(converted(row.new, row.conversion, v)) for v in values]
    return any(can) if why and row.old not in needed and None not in values else all(can)


def _ignored(files: Iterable[EnvFile]) -> Iterator[tuple[str, str]]:
    """Say which keys would choose an environment in v2 that v1 did not run: it took `ENV` alone."""
    base = next((file for file in files if file.name == BASE), None)
    said = {a.key: base.value(a) for a in base.assignments} if base else {}
    for key, value in said.items():
        row = renamed(key)
        if row and row.new == "ENV" and "ENV" not in said and value:
            pairs = converted(row.new, row.conversion, value)
            if pairs and pairs[0][1].text != "dev":
                yield key, f"v1 did not look at it, so this project is `dev`; v2 reads {row.new}"


def _engines(values: Mapping[str, list[Value | None]]) -> Iterator[tuple[str, str]]:
    """Say for each search engine's switch whether it is to `keep`, `rename` or `drop`."""
    there = [key for key in ENGINES if key in values]
    on = [key for key in there if any(v and v.text.lower() in _ON for v in values[key])]
    chosen = (on or there)[:1]
    for key in there:
        yield key, "keep" if len(on) > 1 else "rename" if key in chosen else "drop"
