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
from nself_tasks.artifacts.compose_signals import undecided_at_upgrade
from nself_tasks.artifacts.env_cascade import Undecided, dependents, settle
from nself_tasks.artifacts.env_computed import carry
from nself_tasks.artifacts.env_decisions import from_process, to_ask, to_decide
from nself_tasks.artifacts.env_files import (
    AI,
    SECRETS,
    EnvFile,
    broken_line,
    entries,
    env_files,
    environments,
    is_env_path,
    order,
    role,
    used_by_compose,
    used_by_values,
)
from nself_tasks.artifacts.env_plan import Orders, Plan
from nself_tasks.artifacts.env_references import written_out
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
    if is_v1 and broken_line(evidence):
        # The files say what they say together: none of them can be dealt with before.
        yield from _unreadable(evidence, live)
    elif is_v1 or (left := _left_undecided(evidence)):
        made, shapes = _planned(evidence, live)
        yield from to_decide(
            made, shapes if is_v1 else {k: shapes[k] for k in left & shapes.keys()}
        )
        if is_v1:
            yield from _fixes(made)
            said = {a.key for file in live.values() for a in file.assignments}
            for name, file in live.items():
                yield from to_ask(name, file)
                yield from from_process(name, file, said)
            yield from findings.kept_from_git(evidence, made)
            yield from _unreadable(evidence, live)
            for single in templates:
                yield from findings.old_keys(single, next(iter(single.files)))


def becoming(evidence: Evidence) -> tuple[list[Finding], frozenset[str]]:
    """Give the fixes of a v1 project's env files, and the keys that a person has to decide.

    It does not ask whether the project is v1: the compose file, which says so, asks this.
    """
    files = env_files(evidence)
    live = {name: file for name, file in files.items() if role(name) in ("live", "ai")}
    made, shapes = _planned(evidence, live)
    undecided = frozenset(shapes)
    return list(_fixes(made)), undecided | dependents(made, undecided)


def undecided(evidence: Evidence) -> frozenset[str]:
    """Give the keys of a v1 project's env files that a person has to decide."""
    if broken_line(evidence):
        return frozenset()
    live = {n: file for n, file in env_files(evidence).items() if role(n) in ("live", "ai")}
    return frozenset(_planned(evidence, live)[1])


def _planned(evidence: Evidence, live: Mapping[str, EnvFile]) -> tuple[Plan, Undecided]:
    readers, used = orders(live), used_by_compose(evidence)
    files = written_out(live, readers)
    made = plan(files, readers, used)
    undecided = settle(made)
    referred = used_by_values(entries(files.values())) - used
    if freed := referred - used_by_values(made.entries()):
        # An old key to which only values have referred that are written out now is like any other.
        again = plan(files, readers, used, freed)
        left = settle(again)
        if left.keys() <= undecided.keys() and not freed & used_by_values(again.entries()):
            made, undecided = again, left
    carry(made, evidence)
    return made, undecided


def orders(files: Mapping[str, EnvFile]) -> Orders:
    """Give for each environment the files in v1's order and in v2's."""
    return {name: (order(name, "v1"), order(name, "v2")) for name in environments(files)}


def _alone(file: EnvFile, used: frozenset[str]) -> Plan:
    """Decide about a template by itself: no cascade has it."""
    return plan({file.name: file}, {"": ((file.name,), (file.name,))}, used)


def _is_v1(evidence: Evidence) -> bool:
    others = (kind for kind in registry.kinds() if kind.name in ("compose", "leftovers"))
    return registry.era(f for kind in others for f in kind.detect(evidence)) == "v1"


def _left_undecided(evidence: Evidence) -> frozenset[str]:
    """Give the keys that were undecided when the project was upgraded: they may still be.

    The compose file says them, which travels by git; once a build has made it anew, our record.
    """
    marked = undecided_at_upgrade(evidence.text("docker-compose.yml"))
    if marked is not None:
        return marked
    try:
        state = json.loads(evidence.text(STATE) or "null")
        return frozenset(map(str, state["undecided"])) if isinstance(state, dict) else frozenset()
    except (ValueError, RecursionError, KeyError, TypeError):
        return frozenset()


def _fixes(made: Plan) -> Iterator[Finding]:
    for name, file in made.files.items():
        if name == AI:
            secrets = made.files.get(SECRETS)
            if not file.broken and not (secrets and secrets.broken):
                yield _ai_file()
        else:
            yield from findings.old_keys(made, name)
            yield from findings.spelled_out(made, name)
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
