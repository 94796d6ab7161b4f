"""The `.env*` files of a v1 project: old keys, and the order in which v2 reads the files.

What carries edits is a file with old keys, or one that takes up what `.env` overrode; `manual` is
what the order would change and nobody can guess, or a line that means nothing. In a project that
is not v1 the files are their owner's: there an old name may be an application's own key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from nself_tasks.artifacts import env_findings as findings
from nself_tasks.artifacts import registry
from nself_tasks.artifacts.env_cascade import dependents, settle
from nself_tasks.artifacts.env_files import (
    AI,
    SECRETS,
    EnvFile,
    env_files,
    environments,
    is_env_path,
    order,
    role,
    used_by_compose,
)
from nself_tasks.artifacts.env_plan import Orders, Plan
from nself_tasks.artifacts.env_renames import plan
from nself_tasks.artifacts.finding import Change, Evidence, Finding, Kind

STATE = ".nself/migrate/state.json"
"""Says that we upgraded the project: what was undecided then may still be."""


def detect(evidence: Evidence) -> Iterator[Finding]:
    """Give what is to be said about the env files."""
    files = env_files(evidence)
    used = used_by_compose(evidence)
    templates = [_alone(file, used) for name, file in files.items() if role(name) == "template"]
    live = {name: file for name, file in files.items() if role(name) in ("live", "ai")}
    is_v1 = _is_v1(evidence)
    if not is_v1:
        for made in templates:
            yield from _noted(made)
    if is_v1 or _was_v1(evidence):
        made = plan(live, orders(live), used)
        undecided = settle(made)
        yield from findings.to_decide(made, undecided)
        if is_v1:
            yield from _fixes(made)
            yield from _unreadable(evidence, live)
            for single in templates:
                yield from findings.old_keys(single, next(iter(single.files)))


def becoming(evidence: Evidence) -> tuple[list[Finding], frozenset[str]]:
    """Give the fixes of a v1 project's env files, and the keys that a person has to decide.

    It does not ask whether the project is v1: the compose file, which says so, asks this.
    """
    files = env_files(evidence)
    live = {name: file for name, file in files.items() if role(name) in ("live", "ai")}
    made = plan(live, orders(live), used_by_compose(evidence))
    undecided = frozenset(settle(made))
    return list(_fixes(made)), undecided | dependents(made, undecided)


def orders(files: Mapping[str, EnvFile]) -> Orders:
    """Give for each environment the files in v1's order and in v2's."""
    return {name: (order(name, "v1"), order(name, "v2")) for name in environments(files)}


def _alone(file: EnvFile, used: frozenset[str]) -> Plan:
    """Decide about a template by itself: no cascade has it."""
    return plan({file.name: file}, {"": ((file.name,), (file.name,))}, used)


def _is_v1(evidence: Evidence) -> bool:
    others = (kind for kind in registry.kinds() if kind.name in ("compose", "leftovers"))
    return registry.era(f for kind in others for f in kind.detect(evidence)) == "v1"


def _was_v1(evidence: Evidence) -> bool:
    try:
        state = json.loads(evidence.text(STATE) or "null")
    except (ValueError, RecursionError):
        return False
    return isinstance(state, dict) and str(state.get("era", "")).startswith("v1")


def _fixes(made: Plan) -> Iterator[Finding]:
    for name, file in made.files.items():
        if name == AI:
            secrets = made.files.get(SECRETS)
            if not file.broken and not (secrets and secrets.broken):
                yield _ai_file()
        else:
            yield from findings.old_keys(made, name)
    for name in sorted(made.added):
        yield from findings.taken_up(made, name)


def _ai_file() -> Finding:
    return findings.finding(
        "env-ai",
        AI,
        "migrate",
        "v2 does not read this file",
        "take its keys into `.env.secrets`, keep the file in the backup",
        changes=(Change(PurePosixPath(AI), moved_away=True),),
    )


def _noted(made: Plan) -> Iterator[Finding]:
    """Only note the old keys of a template: it makes no project v1."""
    for found in findings.old_keys(made, next(iter(made.files))):
        note = f"{found.message} (a template, nself does not read it)"
        yield findings.finding(
            "env-template", str(found.path), "keep", note, "left alone", line=found.line
        )


def _unreadable(evidence: Evidence, live: Mapping[str, EnvFile]) -> Iterator[Finding]:
    for file in live.values():
        yield from findings.unreadable(file)
    for path in sorted(evidence.files - evidence.texts.keys()):
        if is_env_path(path) and role(path.name) in ("live", "ai"):
            yield findings.finding(
                "env-unreadable",
                path.name,
                "manual",
                evidence.unread.get(path, "no readable text of at most 1 MB in the project"),
                "make it a file that you can read; until then nothing is upgraded",
            )


KIND = Kind(
    name="env",
    lists=(".nself/config", "nginx/sites", "nself.sh"),
    reads=(
        ".env",
        ".env.*",
        "docker-compose*.yml",
        "docker-compose*.yaml",
        "compose*.yml",
        "compose*.yaml",
        ".nself/build-version",
        STATE,
    ),
    detect=detect,
)
