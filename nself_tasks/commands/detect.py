"""`nself migrate detect`: what of the project is v1, without changing anything."""

from __future__ import annotations

from typing import Any

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.finding import Finding
from nself_tasks.model import Message, Report
from nself_tasks.project import artifact_findings
from nself_tasks.settings import Settings

FOUND_V1 = 3
"""The exit code under `--strict` (the page's flag table says 1, its table of exit codes 3)."""


def detect(settings: Settings, *, strict: bool = False) -> Report:
    """Give a row for each artifact; exit code 0, or 3 where `strict` and something is v1."""
    findings = artifact_findings(settings.project)
    left = [finding for finding in findings if finding.is_v1]
    data = {
        "layout": registry.era(findings),
        "v1": len(left),
        "artifacts": [_row(settings, finding) for finding in findings],
    }
    return Report("detect", FOUND_V1 if strict and left else 0, data, _messages(left))


def _row(settings: Settings, finding: Finding) -> dict[str, Any]:
    """Give one row: ARTIFACT, STATUS and NOTES of the table, and what only JSON shows."""
    path = settings.project.shown(settings.project.root / finding.path)
    action = "" if finding.action == "none" else f" — {finding.action}"
    return {
        "artifact": str(path),
        "status": finding.status,
        "notes": finding.message + action,
        "rule": finding.rule,
        "kind": finding.kind,
        "line": finding.line,
        "message": finding.message,
        "action": finding.action,
    }


def _messages(left: list[Finding]) -> tuple[Message, ...]:
    if not left:
        return (Message("note", "no v1 artifacts found"),)
    count = len({finding.path for finding in left})
    word = "artifact" if count == 1 else "artifacts"
    return (Message("note", f"{count} v1 {word} found; nothing was changed"),)
