"""Words for what nobody can guess about the env files: one finding a shape, with every key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from nself_tasks.artifacts.env_cascade import Shape, Undecided, dependents
from nself_tasks.artifacts.env_files import DEV, LOCAL, SECRETS, EnvFile
from nself_tasks.artifacts.env_findings import counted, finding, listed
from nself_tasks.artifacts.env_keys import successor
from nself_tasks.artifacts.env_plan import Plan
from nself_tasks.artifacts.env_spelled import in_bash
from nself_tasks.artifacts.finding import Finding
from nself_tasks.rewriting.expansion import references

SHAPES: dict[Shape, tuple[str, str, str]] = {
    "dev-leak": (
        DEV,
        "v1 read `.env.dev` in the other environments too, v2 reads it in dev only",
        "write those that are needed into `.env.staging` or `.env.prod`",
    ),
    "local-wins": (
        LOCAL,
        "v2 reads this personal file last and in every environment",
        "decide which value holds and delete the other one",
    ),
    "secret-differs": (
        SECRETS,
        "secrets go into `.env.secrets`, which v1 read in prod only and v2 in every environment",
        "decide which value of the secret each environment gets",
    ),
}


def to_decide(made: Plan, undecided: Undecided) -> Iterator[Finding]:
    """Give one finding for each shape that a person must decide, with every key."""
    for shape, (path, why, action) in SHAPES.items():
        names = sorted(key for key, found in undecided.items() if found == shape)
        if not names:
            continue
        if path not in made.files:
            path = next((name for name in made.files if _has(made, name, names)), path)
        also = sorted(dependents(made, names) - undecided.keys())
        beside = f" (in use by {listed(also, len(also))})" if also else ""
        yield finding(
            f"env-{shape}",
            path,
            "manual",
            f"{why}: {counted(names, 'key')} would change: {listed(names, len(names))}{beside}",
            action,
        )


def _has(made: Plan, name: str, keys: Iterable[str]) -> bool:
    return any(assignment.key in set(keys) for assignment in made.files[name].assignments)


def from_process(name: str, file: EnvFile, said: Set[str]) -> Iterator[Finding]:
    """Give the finding about values that refer to what none of the files says.

    v1 may have had it from the process; v2 (godotenv) looks in the same file only. The names are
    not shown: of `ab$cd` in a password, `cd` is one.
    """
    asked = {
        a.key: a.line
        for a in file.assignments
        if (value := file.value(a)) and not value.literal and set(references(in_bash(value))) - said
    }
    if asked:
        it = "refers" if len(asked) == 1 else "refer"
        yield finding(
            "env-process",
            name,
            "keep",
            f"{listed(list(asked), len(asked))} {it} to what no env file says: v1 may have had it"
            " from the process, v2 does not look there",
            "left alone: write the whole value out, into `.env.secrets` where it is a secret",
            line=min(asked.values()),
        )


def to_ask(name: str, file: EnvFile) -> Iterator[Finding]:
    """Give the finding about keys that v2 may know under a name of which nobody can be sure."""
    asked = {a.key: (new, a.line) for a in file.assignments if (new := successor(a.key))}
    if asked:
        said = ", ".join(f"{key} ({new}?)" for key, (new, _) in asked.items())
        yield finding(
            "env-ask",
            name,
            "keep",
            f"v2 does not read {said}",
            "left alone: rename it if that is meant",
            line=min(line for _, line in asked.values()),
        )
