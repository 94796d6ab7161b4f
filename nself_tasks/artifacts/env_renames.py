"""Decides for each assignment whether it keeps its name, so that environments keep their values.

An old key is renamed where it stands. It becomes a comment where the new key is set as well, as
the new one wins; it stays beside the new one where a compose file or another value refers to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from nself_tasks.artifacts.env_compare import equal, is_secret
from nself_tasks.artifacts.env_edits import KEEP, Decision
from nself_tasks.artifacts.env_files import DEV, EnvFile, Setting, entries, used_by_values
from nself_tasks.artifacts.env_keys import COMPANIONS, revalued
from nself_tasks.artifacts.env_plan import Orders, Plan
from nself_tasks.artifacts.env_removed_keys import removed
from nself_tasks.artifacts.env_spelled import spelled
from nself_tasks.artifacts.env_values import plain
from nself_tasks.artifacts.env_vocabulary import Vocabulary, vocabulary
from nself_tasks.rewriting.dotenv import Assignment

NEVER_USED = "nself v1 never used this: another file had another value"
_NONE: frozenset[str] = frozenset()


def plan(
    files: Mapping[str, EnvFile],
    orders: Orders,
    used: frozenset[str],
    unused: frozenset[str] = _NONE,
) -> Plan:
    """Decide about the old keys; `used` are the names that compose files refer to, `unused` those
    that no value will refer to any more."""
    needed = used | (used_by_values(entries(files.values())) - unused)
    while True:
        made = _planned(files, orders, needed)
        # What only a value refers to that is now a comment is needed no more.
        left = used | used_by_values(made.entries())
        # Where v1 had no settings there is no environment whose settings could change.
        real = {name: both for name, both in orders.items() if made.targets[name]}
        if needed <= left and len(real) == len(orders):
            return made
        needed, orders = needed & left, real


def _planned(files: Mapping[str, EnvFile], orders: Orders, needed: frozenset[str]) -> Plan:
    found = entries(files.values())
    before = {name: spelled(found, v1, "v1") for name, (v1, _) in orders.items()}
    winners = {(key, setting.file) for now in before.values() for key, setting in now.items()}
    words = vocabulary(files.values(), needed, winners)
    first = {
        name: [_first(file, a, words) for a in file.assignments] for name, file in files.items()
    }
    targets = {name: words.translated(now) for name, now in before.items()}
    made = Plan(files, orders, words, targets, first)
    groups: dict[str, set[str]] = {}
    for old, row in words.olds.items():
        groups.setdefault(COMPANIONS.get(row.new, row.new), set()).add(old)
    # Each way is tried for the keys that the one before it would have changed.
    ways = (
        partial(_rename, before=before),
        partial(_rename, before=before, alone=True),
        _spell_out,
    )
    for way in ways:
        way(made, groups)
        groups = _changed(made, groups)
    _leave(made, groups)
    return made


def _first(file: EnvFile, assignment: Assignment, words: Vocabulary) -> Decision:
    """Decide what does not depend on the other files: removed keys and renamed values."""
    if file.broken:
        return KEEP
    if why := words.removed.get(assignment.key):
        return Decision("drop", why=why)
    new = revalued(assignment.key, assignment.value or "")
    return Decision("rename", ((assignment.key, plain(new)),)) if new else KEEP


_Groups = Mapping[str, set[str]]
"""For each new key the old ones."""


def _keys(new: str) -> set[str]:
    return {new, *(key for key, main in COMPANIONS.items() if main == new)}


def _rename(
    made: Plan,
    groups: _Groups,
    *,
    before: Mapping[str, Mapping[str, Setting]],
    alone: bool = False,
) -> None:
    """Rename the old keys where they stand; `alone` leaves out what comes with a new key."""
    olds = {old for group in groups.values() for old in group}
    stronger = made.words.stronger()
    for name, file in made.files.items():
        here = {assignment.key for assignment in file.assignments}
        for number, assignment in enumerate(file.assignments):
            value = file.value(assignment)
            if assignment.key not in olds or value is None:
                continue
            old, rivals = assignment.key, stronger[assignment.key]
            pairs = made.words.pairs(old, value)
            if not pairs:
                unread = removed(old)
                why = f"nself v2 does not read {old}: {unread}" if unread else NEVER_USED
                made.decisions[name][number] = Decision("drop", why=why)
                continue
            readers = [now for e, now in before.items() if name in made.orders[e][0]]
            beaten = here & rivals or (readers and all(now.keys() & rivals for now in readers))
            also = [pair for pair in pairs[1:] if not alone and pair[0] not in here]
            made.decisions[name][number] = (
                _superseded(made, old, pairs[0][0])
                if beaten
                else Decision("copy" if old in made.words.needed else "rename", (pairs[0], *also))
            )


def _superseded(made: Plan, old: str, new: str) -> Decision:
    if old in made.words.needed:
        return KEEP
    return Decision("drop", why=f"nself v2 reads {new} instead of {old}, and that is set")


def _spell_out(made: Plan, groups: _Groups) -> None:
    """Turn the old keys into comments and write each environment's value into its own file."""
    for new, olds in groups.items():
        for name, number in _places(made, olds):
            old = made.files[name].assignments[number].key
            made.decisions[name][number] = _superseded(made, old, new)
    keys = {key for new in groups for key in _keys(new)}
    for environment, now in made.resolved("v1").items():
        own, target = f".env.{environment}", made.targets[environment]
        for key in sorted(keys & target.keys()):
            # An environment's file may be committed.
            apart = not equal(key, target[key], now.get(key)) and not is_secret(key, target[key])
            # Others read `.env.dev` and `.env.staging` too: nothing new may come to them.
            if apart and own in made.files and (own not in _SHARED or _has(made, own, keys)):
                made.add(own, key, replace(target[key], file=own))


_SHARED = (DEV, ".env.staging")


def _has(made: Plan, name: str, keys: set[str]) -> bool:
    olds = {old for old, row in made.words.olds.items() if row.new in keys}
    return any(assignment.key in keys | olds for assignment in made.files[name].assignments)


def _leave(made: Plan, groups: _Groups) -> None:
    """Give up on these keys: a person has to decide."""
    for new, olds in groups.items():
        for name, number in _places(made, olds):
            made.decisions[name][number] = KEEP
        for added in made.added.values():
            for key in _keys(new):
                added.pop(key, None)
        made.stuck |= olds | _keys(new)


def _places(made: Plan, olds: set[str]) -> list[tuple[str, int]]:
    return [
        (name, number)
        for name, file in made.files.items()
        for number, assignment in enumerate(file.assignments)
        if assignment.key in olds
    ]


def _changed(made: Plan, groups: _Groups) -> dict[str, set[str]]:
    """Give those groups that would change in some environment, in v1's order."""
    resolved = made.resolved("v1")
    return {
        new: olds
        for new, olds in groups.items()
        if any(
            not equal(key, target.get(key), resolved[name].get(key))
            for name, target in made.targets.items()
            for key in _keys(new)
            # What is nothing in v2 stands in no file: v1's order passes over it.
            if key in target or key not in made.words.partial
        )
    }
