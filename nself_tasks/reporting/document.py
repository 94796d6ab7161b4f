"""The JSON of every command: one versioned shape, also on failure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePath
from typing import Any

from nself_tasks.errors import NselfError
from nself_tasks.model import Report, Step
from nself_tasks.secrets import mask

VERSION = 1


def document(report: Report, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Give the JSON object of a report; every text in it is masked."""
    plain = {
        "version": VERSION,
        "command": report.command,
        "exit_code": report.exit_code,
        **report.data,
        "messages": [{"level": m.level, "text": m.text} for m in report.messages],
        "error": report.error,
    }
    masked: dict[str, Any] = _masked(plain, tuple(secrets))
    return masked


def dumps(report: Report, secrets: Iterable[str] = ()) -> str:
    """Give the document as text."""
    return json.dumps(document(report, secrets), indent=2, ensure_ascii=False)


def error_object(error: NselfError) -> dict[str, Any]:
    """Give the JSON object of an error."""
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "detail": error.detail,
        "problems": [
            {"message": p.message, "path": p.path, "line": p.line} for p in error.problems
        ],
        "facts": error.facts,
        "database": error.database,
    }


def step_object(step: Step) -> dict[str, Any]:
    """Give the JSON object of a step of a plan."""
    found: dict[str, Any] = {
        "id": step.id,
        "stage": step.stage,
        "title": step.title,
        "status": step.status.value,
        "reasons": list(step.reasons),
        "after": list(step.after),
        "setup": list(step.setup),
        "inputs": list(step.inputs),
        "targets": list(step.targets),
        "segments": list(step.segments),
    }
    if step.sql:
        found["sql"] = list(step.sql)
    return found


def _masked(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, dict):
        return {key: _masked(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, secrets) for item in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, PurePath):
        return str(value)
    return value
