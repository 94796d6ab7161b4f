"""What Compose will use after the upgrade: the env files as they become, in v2's order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nself_tasks.artifacts.compose_formulas import Values
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.env_files import order
from nself_tasks.artifacts.env_spelled import assignments
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.artifacts.upgrade import upgraded
from nself_tasks.rewriting import dotenv

Texts = Mapping[str, str]
"""The env files of the project's root, by name."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of one environment."""

    before: Values
    """As v1 used them."""
    later: Values
    """As they will be, where a person decides everything so that nothing changes."""
    undecided: Values
    """As they will be while nobody decides anything."""


@dataclass(frozen=True, slots=True)
class Afterwards:
    """Both times of every environment."""

    environments: tuple[Environment, ...]
    before: Texts
    later: Texts


def afterwards(evidence: Evidence, used: Used) -> Afterwards:
    """Give the variables and env files as v1 used them, and as they will be."""
    # That kind asks this one which layout the project has.
    from nself_tasks.artifacts import env

    fixes, undecided = env.becoming(evidence)
    made = upgraded(evidence, fixes)
    before = {str(path): text for path, text in evidence.texts.items() if len(path.parts) == 1}
    later = before | {str(path): file.text or "" for path, file in made.items()}
    found = []
    for name, was in zip(used.environments, used.contexts, strict=True):
        merged = {
            assignment.key: assignment
            for file in order(name, "v2")
            for assignment in assignments(later.get(file, ""), "v2")
        }
        now = dotenv.interpolate(merged, {})
        # What a person must decide is reported with the env files, and may stay as it was.
        kept = {key: was[key] for key in undecided if key in was}
        found.append(Environment(was, {**now, **kept}, now))
    return Afterwards(tuple(found), before, later)
