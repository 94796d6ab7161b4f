"""`nself migrate detect`: what of the project is v1, without changing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nself_tasks import acceptance
from nself_tasks.artifacts import registry
from nself_tasks.artifacts.finding import Finding
from nself_tasks.errors import InputError
from nself_tasks.evidence import artifact_findings
from nself_tasks.intent import intent_path, readable_intent, state_path
from nself_tasks.model import Message, Report
from nself_tasks.plugins import HOME_SHOWN, again, home_findings
from nself_tasks.project import read_committed
from nself_tasks.settings import Settings

FOUND_V1 = 3
"""The exit code under `--strict` (the page's flag table says 1, its table of exit codes 3)."""

WIDEST = 200
"""Characters of a message in a row of the table."""

_WEIGHT = ("migrate", "manual", "keep", "ok")
"""The status of an artifact is the first of these that one of its findings has."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A finding as it is shown: its artifact's name, and why somebody accepts it."""

    artifact: str
    finding: Finding
    accepted: str | None = None

    @property
    def fails(self) -> bool:
        """Whether `--strict` does not let it pass."""
        return self.finding.is_v1 and self.accepted is None


def detect(
    settings: Settings,
    *,
    strict: bool = False,
    notice: Callable[[str, str], None] = lambda level, text: None,
) -> Report:
    """Give a row for each artifact; exit code 0, or 3 where `strict` and something is v1.

    Raises InputError for an `.nself-migrate.yaml` that cannot be read as one.
    """
    project = settings.project
    findings = artifact_findings(project)
    named = [(str(project.shown(project.root / f.path)), f) for f in findings]
    if project.scope != "plugins":
        shared = home_findings(settings.environ.get("HOME"))
        named += [(f"{HOME_SHOWN}/{finding.path}", finding) for finding in shared]
    entries = _accepted(settings, named, notice)
    found = [_Found(name, f, acceptance.accepted(name, f, entries)) for name, f in named]
    groups = [list(group) for _, group in groupby(found, key=lambda each: each.artifact)]
    rows = [*_unfinished(settings), *(_row(group) for group in groups)]
    v1 = len(rows) - len(groups) + sum(any(f.finding.is_v1 for f in g) for g in groups)
    left = len(rows) - len(groups) + sum(any(f.fails for f in g) for g in groups)
    data: dict[str, Any] = {
        "layout": registry.era(findings),
        "v1": v1,
        "accepted": v1 - left,
        "artifacts": rows,
    }
    if project.scope == "plugins":
        data["plugins_dir"] = str(project.root)
    return Report("detect", FOUND_V1 if strict and left else 0, data, _messages(v1))


def left_to_decide(settings: Settings) -> int:
    """Count the artifacts that are still v1 and that nobody accepts: after a run, a person's."""
    try:
        data = detect(settings).data
    except InputError:
        # What is accepted cannot be read: `detect` says so, a run that is done does not fail.
        return sum(finding.is_v1 for finding in artifact_findings(settings.project))
    return int(data["v1"]) - int(data["accepted"])


def _accepted(
    settings: Settings,
    named: Sequence[tuple[str, Finding]],
    notice: Callable[[str, str], None],
) -> tuple[acceptance.Entry, ...]:
    """Give what the project accepts, and warn of what is accepted and not there any more."""
    file = read_committed(settings.project, acceptance.FILE)
    if file is None:
        return ()
    path, text = file
    entries = acceptance.parse(text, str(path))
    recorded = state_path(settings.project).exists()
    for entry, why in acceptance.stale(entries, named, recorded=recorded):
        what = f"`{entry.rule}` of `{entry.artifact}` is accepted, and {why}: delete the entry"
        notice("warning", f"{path}:{entry.line}: {what}")
    return entries


def _unfinished(settings: Settings) -> list[dict[str, Any]]:
    """Give the row of an upgrade that was stopped while it installed; nobody can accept it."""
    project = settings.project
    intent = intent_path(project)
    if not intent.exists():
        return []
    of = again(project)
    back = f"`nself migrate rollback --files{of}` puts the files back"
    if readable_intent(project) is None:
        notes = f"an upgrade was stopped, and its record cannot be read — {back}"
    else:
        notes = (
            "an upgrade, or the way back from one, was stopped between two files —"
            f" `nself migrate run{of}` finishes it, {back}"
        )
    shown = str(project.shown(intent))
    return [{"artifact": shown, "status": "migrate", "notes": notes, "findings": []}]


def _row(found: Sequence[_Found]) -> dict[str, Any]:
    """Give one row: ARTIFACT, STATUS and NOTES of the table, and every finding behind it."""
    status = min((each.finding.status for each in found), key=_WEIGHT.index)
    return {
        "artifact": found[0].artifact,
        "status": status,
        "notes": _notes(status, found),
        "findings": [
            {
                "rule": each.finding.rule,
                "kind": each.finding.kind,
                "line": each.finding.line,
                "status": each.finding.status,
                "v1": each.finding.is_v1,
                "message": each.finding.message,
                "action": each.finding.action,
                "accepted": each.accepted,
            }
            for each in found
        ],
    }


def _notes(status: str, found: Sequence[_Found]) -> str:
    """Say the finding that decides, then how many more there are; `--verbose` lists them."""
    deciding = [each for each in found if each.finding.status == status]
    first = min(deciding, key=_rank)
    notes = _shortened(first.finding.message)
    if first.accepted is not None:
        notes += f" — accepted: {first.accepted}"
    elif first.finding.action != "none":
        notes += f" — {first.finding.action}"
    more = len(found) - 1
    manual = sum(f.finding.status == "manual" for f in found if f is not first)
    if more and manual:
        return f"{notes}; and {more} more, {manual} of them for you to decide"
    return f"{notes}; and {more} more" if more else notes


def _rank(found: _Found) -> tuple[bool, bool, bool]:
    """Put first what is not accepted, what decides the layout, and what is there already."""
    return found.accepted is not None, not found.finding.decides_era, found.finding.line is None


def _shortened(message: str) -> str:
    """Keep a row readable where a message lists dozens of keys."""
    if len(message) <= WIDEST:
        return message
    kept, comma, _ = message[:WIDEST].rpartition(", ")
    return f"{kept if comma else message[:WIDEST]}, … (`--verbose` has all of it)"


def _messages(v1: int) -> tuple[Message, ...]:
    if not v1:
        return (Message("note", "no v1 artifacts found"),)
    word = "artifact" if v1 == 1 else "artifacts"
    return (Message("note", f"{v1} v1 {word} found; nothing was changed"),)
