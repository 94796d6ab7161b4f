"""The end of staging: what was staged is what the plan showed, whoever built it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nself_tasks import artifact_schemas, installation
from nself_tasks import intent as intents
from nself_tasks.errors import GuardError, Problem
from nself_tasks.pipeline.files_lock import FILES_LOCK
from nself_tasks.pipeline.steps import Call, Condition, StepDict, step_name
from nself_tasks.pipeline.upgrade import SCAN, require_sound

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

REGENERATE = "migrate:regenerate"


def regenerate(context: Context) -> Iterator[StepDict]:
    """Hold what is staged against the plan; says who built it, and why not somebody else."""
    plan = context.upgrade
    if plan.is_empty or plan.unfinished is not None:
        return
    staged = [entry for entry in plan.entries if entry.after is not None]
    yield {
        "basename": REGENERATE,
        "doc": _title(context),
        "actions": [Call(_verify, context)],
        "task_dep": [SCAN, *(f"migrate:stage:{step_name(entry.path)}" for entry in staged)],
        "setup": [FILES_LOCK],
        "uptodate": [
            Condition(lambda: False, "what is installed is what was staged, byte for byte")
        ],
        "meta": {"stage": "regenerate"},
    }


def _title(context: Context) -> str:
    plan = context.upgrade
    title = f"hold the staged files against the schemas of v2; built by {plan.builder}"
    return f"{title}, as {plan.refused}" if plan.refused else title


def _verify(context: Context) -> dict[str, Any]:
    project = context.settings.project
    torn = [
        Problem("is not what the plan was made of", f".nself/migrate/staged/{entry.path}")
        for entry in context.upgrade.entries
        if entry.after is not None
        and installation.digest(intents.staged_path(project, entry.path)) != entry.after
    ]
    if torn:
        raise GuardError(
            "staged files were changed while this ran",
            problems=torn,
            hint="run again: they are staged anew; nothing was installed",
            database="unchanged",
        )
    require_sound(list(_unsound(context)))
    return {"builder": context.upgrade.builder}


def _unsound(context: Context) -> Iterator[Problem]:
    """Give what the staged bytes themselves break of the schemas, whoever wrote them."""
    project = context.settings.project
    for entry in context.upgrade.entries:
        if entry.after is not None:
            was = installation.real_path(project, entry.path)
            before = _text(was) if was.is_file() else None
            after = _text(intents.staged_path(project, entry.path))
            yield from artifact_schemas.introduced(PurePosixPath(entry.path), before, after)


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")
