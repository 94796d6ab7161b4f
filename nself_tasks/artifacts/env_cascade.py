"""Keeps every environment's values through the change of order: `.env` was read last, now first.

What `.env` overrode goes where v2 reads last: secrets into `.env.secrets`, the rest into
`.env.local`. What prod had from `.env.staging` goes into `.env.prod`. Three shapes are nobody's
to guess: they are left to a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from nself_tasks.artifacts.env_compare import equal, is_secret
from nself_tasks.artifacts.env_edits import Decision
from nself_tasks.artifacts.env_files import AI, BASE, DEV, LOCAL, SECRETS, Setting
from nself_tasks.artifacts.env_keys import AI_KEYS
from nself_tasks.artifacts.env_plan import Plan
from nself_tasks.artifacts.env_references import References
from nself_tasks.rewriting.expansion import references

Shape = Literal["dev-leak", "local-wins", "secret-differs"]
Undecided = dict[str, Shape]

MOVED = "nself v2 reads .env first, where v1 read it last: these keep their values"
KEPT = "nself v1 took these values from another file: each environment keeps its own"
MADE_UP = "nself v1 had these in files that it wrote itself, and v2 does not read those"
FROM_AI = "nself v2 reads no .env.ai: from there"

_ROUNDS = 4


def settle(made: Plan) -> Undecided:
    """Add to the plan what keeps the values in v2's order; give the keys that are undecided."""
    undecided: Undecided = dict.fromkeys(sorted(made.stuck), "secret-differs")
    _fold_ai(made)
    for _ in range(_ROUNDS):
        later, wanted = made.resolved("v2"), _wanted(made)
        differing = _differing(made, undecided, later)
        if not differing:
            break
        places, refer = _places(made), References(made.entries())
        for key, environments in differing.items():
            new = {name: later[name].get(key) for name in environments}
            old = {name: found.get(key) for name, found in wanted.items()}
            if shape := _settle_key(made, key, old, new, (places, refer)):
                undecided[key] = shape
    left = _differing(made, undecided, made.resolved("v2"))
    return undecided | dict.fromkeys(left, "secret-differs")


def dependents(made: Plan, undecided: Iterable[str]) -> frozenset[str]:
    """Give the keys whose values refer to undecided ones, directly or not."""
    refers: dict[str, set[str]] = {}
    for pairs in made.entries().values():
        for key, value in pairs:
            if value is not None and not value.literal:
                refers.setdefault(key, set()).update(references(value.text))
    reached = set(undecided)
    while more := {key for key, names in refers.items() if names & reached} - reached:
        reached |= more
    return frozenset(reached - set(undecided))


def _differing(
    made: Plan, undecided: Undecided, later: Mapping[str, Mapping[str, Setting]]
) -> dict[str, list[str]]:
    """Give each key that would change, and the environments that it would change in."""
    found: dict[str, list[str]] = {}
    now = made.resolved("v1")
    by_design = AI_KEYS - {key for target in made.targets.values() for key in target}
    from_ai = {k for k, setting in made.added.get(SECRETS, {}).items() if setting.file == AI}
    passed = undecided.keys() | by_design | from_ai
    for name, target in made.targets.items():
        for key in sorted((target.keys() | now[name].keys() | later[name].keys()) - passed):
            wanted, both = target.get(key), (now[name].get(key), later[name].get(key))
            # What is nothing in v2 stands in no file: only v2's own order can tell it.
            seen = both[1:] if wanted is None and key in made.words.partial else both
            if not all(equal(key, wanted, setting) for setting in seen):
                found.setdefault(key, []).append(name)
    return found


_Places = Mapping[tuple[str, str], list[int]]
"""Where in which file a key will stand."""


def _places(made: Plan) -> _Places:
    found: dict[tuple[str, str], list[int]] = {}
    for name, file in made.files.items():
        for number, assignment in enumerate(file.assignments):
            decision = made.decisions[name][number]
            old = [] if decision.action in ("rename", "drop") else [assignment.key]
            for key in (*old, *(key for key, _ in decision.pairs)):
                found.setdefault((name, key), []).append(number)
    return found


def _wanted(made: Plan) -> dict[str, dict[str, Setting]]:
    """Give what every environment must resolve to, with the file that it will be in."""
    now = made.resolved("v1")
    return {
        name: {
            key: found if (found := now[name].get(key)) and equal(key, found, setting) else setting
            for key, setting in target.items()
        }
        for name, target in made.targets.items()
    }


_Settings = Mapping[str, Setting | None]
"""One key's in every environment."""


def _settle_key(
    made: Plan, key: str, old: _Settings, new: _Settings, about: tuple[_Places, References]
) -> Shape | None:
    """Write the old value where v2 finds it, or say why that is not ours to do."""
    places, refer = about
    olds = [setting for setting in old.values() if setting is not None]
    alike = len(olds) == len(old) and all(equal(key, olds[0], other) for other in olds)
    secret = any(is_secret(key, setting) for setting in olds) or refer.reveal(key, None)
    # Where it wins as before, what it refers to is what v2 does not find.
    stays = any(s and not s.inherits and s.file == _file(old[e]) for e, s in new.items())
    if stays and any(s and s.file == LOCAL for s in new.values()):
        return "local-wins"
    if not stays:
        for environment, setting in new.items():
            if shape := _shape(old[environment], setting, environment):
                return shape
    if secret:
        return None if alike and _put(made, SECRETS, key, olds[0], places) else "secret-differs"
    if alike and any(setting.file == BASE for setting in olds):
        return None if _put(made, LOCAL, key, olds[0], places) else "local-wins"
    if any(setting and setting.file == SECRETS for setting in new.values()):
        return "secret-differs"
    for environment in new:
        value = old[environment]
        if value is None or not _put(made, f".env.{environment}", key, value, places):
            return "secret-differs"
    return None


def _file(setting: Setting | None) -> str | None:
    return setting.file if setting else None


def _shape(old: Setting | None, new: Setting | None, environment: str) -> Shape | None:
    if old and old.file == DEV and environment != "dev":
        return "dev-leak"
    if new and new.file == LOCAL:
        return "local-wins"
    if new and new.file == SECRETS and not (old and old.file == BASE):
        return "secret-differs"
    return None


def _put(made: Plan, name: str, key: str, setting: Setting, places: _Places) -> bool:
    """Set a key in a file, which may be a new one; what was there becomes a comment."""
    file = made.files.get(name)
    if file and file.broken:
        return False
    for number in places.get((name, key), ()):
        why = f"nself v1 never used this: {setting.file} had another value"
        made.decisions[name][number] = Decision("drop", why=why)
    made.add(name, key, setting)
    return True


def _fold_ai(made: Plan) -> None:
    """Take the keys that only `.env.ai` has into `.env.secrets`."""
    ai, secrets = made.files.get(AI), made.files.get(SECRETS)
    if ai is None or ai.broken or (secrets and secrets.broken):
        return
    said = made.entries()
    known = {key for name, pairs in said.items() if name != AI for key, _ in pairs}
    found = {key: Setting(value, False, AI) for key, value in said[AI] if value is not None}
    for key, setting in found.items():
        if key not in known:
            made.add(SECRETS, key, setting)
