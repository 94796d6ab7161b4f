"""Words and edits for what is decided about the env files: one finding a file and a matter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from nself_tasks.artifacts.compose_project import COMPUTED
from nself_tasks.artifacts.env_cascade import (
    FROM_AI,
    KEPT,
    MADE_UP,
    MOVED,
)
from nself_tasks.artifacts.env_edits import Decision, appended, edits_of
from nself_tasks.artifacts.env_files import AI, LOCAL, SECRETS, EnvFile
from nself_tasks.artifacts.env_plan import Plan
from nself_tasks.artifacts.finding import Change, Evidence, Finding, Status
from nself_tasks.rewriting.dotenv import Assignment
from nself_tasks.rewriting.edits import Edit

PRIVATE = 0o600
GITIGNORE = ".gitignore"
SHOWN = 6
"""Names that a note lists before it only counts; what a person must decide is listed whole."""

_WORDS = {"rename": "rename", "copy": "add the new name below", "drop": "turn into a comment"}


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
        f"{counted(names, 'deprecated key')} found: {listed(names, SHOWN)}",
        ", ".join(done),
        line=decided[0][0].line,
        changes=(Change(PurePosixPath(name), tuple(_edits(file, decided))),),
    )


def _edits(file: EnvFile, decided: list[tuple[Assignment, Decision]]) -> Iterator[Edit]:
    return edits_of(
        replace(file, assignments=tuple(a for a, _ in decided)), [d for _, d in decided]
    )


def spelled_out(made: Plan, name: str) -> Iterator[Finding]:
    """Give the finding about values whose variables v2 would not find."""
    file = made.files[name]
    decided = [
        pair
        for pair in zip(file.assignments, made.decisions[name], strict=True)
        if pair[1].action == "keep" and pair[0].key_span[0] in file.spelled
    ]
    if not decided:
        return
    names = [assignment.key for assignment, _ in decided]
    refers = any("$" in (assignment.value or "") for assignment, _ in decided)
    why = _REFERS if refers else "v1's shell read backslashes otherwise than v2"
    yield finding(
        "env-references",
        name,
        "migrate",
        f"{why}: {counted(names, 'key')} would change: {listed(names, SHOWN)}",
        "write the values of today out",
        line=decided[0][0].line,
        changes=(Change(PurePosixPath(name), tuple(_edits(file, decided))),),
    )


_REFERS = "v2 looks for what a value refers to in the lines above it, in the same file"


def taken_up(made: Plan, name: str) -> Iterator[Finding]:
    """Give the finding about what a file takes up, so that the new order changes nothing."""
    added = made.added.get(name, {}).items()
    if not added:
        return
    text = made.files[name].text if name in made.files else ""
    from_ai = [pair for pair in added if pair[1].file == AI]
    made_up = [pair for pair in added if pair[1].file in COMPUTED]
    rest = [pair for pair in added if pair[1].file not in (AI, *COMPUTED)]
    note = MOVED if name in (SECRETS, LOCAL) else KEPT
    parts = ((FROM_AI, from_ai), (note, rest), (MADE_UP, made_up))
    edits = [appended(text, words, part) for words, part in parts if part]
    ordered = [key for key, _ in (*from_ai, *rest)]
    said = (
        f"v2 reads the env files in another order: {counted(ordered, 'key')} would change:"
        f" {listed(ordered, SHOWN)}"
    )
    computed = f"v1's build made up what no env file says: {listed([k for k, _ in made_up], SHOWN)}"
    yield finding(
        "env-order" if ordered else "env-computed-value",
        name,
        "migrate",
        "; ".join([said] * bool(ordered) + [computed] * bool(made_up)),
        "write the values of today here",
        changes=(
            Change(
                PurePosixPath(name),
                tuple(edits),
                PRIVATE if name == SECRETS else None,
                private_as=tuple(sorted({PurePosixPath(pair[1].file) for pair in added})),
            ),
        ),
    )


def kept_from_git(evidence: Evidence, made: Plan) -> Iterator[Finding]:
    """Give the finding about new files that git would pick up with the secrets in them."""
    names = sorted(evidence.exposed & made.added.keys() - made.files.keys())
    if not names:
        return
    what = f"git would pick up {' and '.join(f'`{n}`' for n in names)}, which the upgrade makes"
    text = evidence.text(GITIGNORE)
    if text is None and PurePosixPath(GITIGNORE) in evidence.files:
        yield finding("env-gitignore", GITIGNORE, "manual", what, "it cannot be read: see to that")
        return
    text = text or ""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = "".join(f"/{name}{newline}" for name in names)
    start = newline if text and not text.endswith("\n") else ""
    yield finding(
        "env-gitignore",
        GITIGNORE,
        "migrate",
        what,
        "add a line for each",
        changes=(Change(PurePosixPath(GITIGNORE), (Edit(len(text), len(text), start + lines),)),),
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


def counted(names: Iterable[str], what: str) -> str:
    """Give how many different names there are."""
    count = len(set(names))
    return f"{count} {what}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], most: int) -> str:
    """Give the different names, and how many more than `most`."""
    unique = list(dict.fromkeys(names))
    more = len(unique) - most
    return ", ".join(unique[:most]) + (f" and {more} more" if more > 0 else "")
