"""Words and edits for what is decided about the env files: one finding a file and a matter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from nself_tasks.artifacts.env_cascade import FROM_AI, KEPT, MOVED, Shape, Undecided, dependents
from nself_tasks.artifacts.env_edits import appended, edits_of
from nself_tasks.artifacts.env_files import AI, DEV, LOCAL, SECRETS, EnvFile
from nself_tasks.artifacts.env_plan import Plan
from nself_tasks.artifacts.finding import Change, Finding, Status

PRIVATE = 0o600
SHOWN = 6
"""Names that a note lists before it only counts; what a person must decide is listed whole."""

_WORDS = {"rename": "rename", "copy": "add the new name below", "drop": "turn into a comment"}
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
        "v1 read `.env.secrets` in prod only, v2 reads it in every environment",
        "decide which value of the secret each environment gets",
    ),
}


def old_keys(made: Plan, name: str) -> Iterator[Finding]:
    """Give the finding about a file's deprecated keys and values."""
    file = made.files[name]
    decided = [
        pair
        for pair in zip(file.assignments, made.decisions[name], strict=True)
        if pair[1].action != "keep"
    ]
    if not decided:
        return
    names = [assignment.key for assignment, _ in decided]
    done = dict.fromkeys(_WORDS[decision.action] for _, decision in decided)
    yield finding(
        "env-keys",
        name,
        "migrate",
        f"{_count(names, 'deprecated key')} found: {_listed(names, SHOWN)}",
        ", ".join(done),
        line=decided[0][0].line,
        changes=(Change(PurePosixPath(name), tuple(edits_of(file, made.decisions[name]))),),
    )


def taken_up(made: Plan, name: str) -> Iterator[Finding]:
    """Give the finding about what a file takes up, so that the new order changes nothing."""
    added = made.added.get(name, {}).items()
    if not added:
        return
    text = made.files[name].text if name in made.files else ""
    from_ai = [pair for pair in added if pair[1].file == AI]
    rest = [pair for pair in added if pair[1].file != AI]
    note = MOVED if name in (SECRETS, LOCAL) else KEPT
    edits = [
        appended(text, words, part) for words, part in ((FROM_AI, from_ai), (note, rest)) if part
    ]
    names = [key for key, _ in added]
    yield finding(
        "env-order",
        name,
        "migrate",
        f"v2 reads the env files in another order: {_count(names, 'key')} would change:"
        f" {_listed(names, SHOWN)}",
        "write the values of today here",
        changes=(Change(PurePosixPath(name), tuple(edits), PRIVATE if name == SECRETS else None),),
    )


def to_decide(made: Plan, undecided: Undecided) -> Iterator[Finding]:
    """Give one finding for each shape that a person must decide, with every key."""
    for shape, (path, why, action) in SHAPES.items():
        names = [key for key, found in undecided.items() if found == shape]
        if not names:
            continue
        also = sorted(dependents(made, names) - undecided.keys())
        beside = f" (in use by {_listed(also, len(also))})" if also else ""
        yield finding(
            f"env-{shape}",
            path,
            "manual",
            f"{why}: {_count(names, 'key')} would change: {_listed(names, len(names))}{beside}",
            action,
        )


def unreadable(file: EnvFile) -> Iterator[Finding]:
    """Give the finding about a file that v2 cannot read."""
    if problem := file.broken:
        yield finding(
            "env-unreadable",
            file.name,
            "manual",
            f"line {problem.line} is no setting: {problem.message}",
            "correct that line; until then the file is left as it is",
            line=problem.line,
        )


def finding(
    rule: str,
    name: str,
    status: Status,
    message: str,
    action: str,
    *,
    line: int | None = None,
    changes: tuple[Change, ...] = (),
) -> Finding:
    """Give a finding of this kind."""
    path = PurePosixPath(name)
    return Finding(rule, "env", path, line, status, message, action, changes=changes)


def _count(names: Iterable[str], what: str) -> str:
    count = len(set(names))
    return f"{count} {what}{'' if count == 1 else 's'}"


def _listed(names: Iterable[str], most: int) -> str:
    unique = list(dict.fromkeys(names))
    more = len(unique) - most
    return ", ".join(unique[:most]) + (f" and {more} more" if more > 0 else "")
