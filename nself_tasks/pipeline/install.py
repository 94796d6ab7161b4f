"""The last stage of a file upgrade: the intent is put on disk, then file after file is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from nself_tasks import installation
from nself_tasks import intent as intents
from nself_tasks.intent import Entry, Intent
from nself_tasks.pipeline.prepare import BACKUP_FILES
from nself_tasks.pipeline.regenerate import REGENERATE
from nself_tasks.pipeline.steps import Call, Condition, StepDict, step_name
from nself_tasks.pipeline.upgrade import SCAN

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

INTENT = "migrate:intent"


def intent(context: Context) -> Iterator[StepDict]:
    """Put on disk what is about to be installed: from here on a run only rolls forward."""
    if context.upgrade.is_empty:
        return
    yield {
        "basename": INTENT,
        "doc": "put on disk what will be installed, so that a crash can be finished",
        "actions": [Call(_intend, context)],
        "task_dep": [BACKUP_FILES],
        "uptodate": [
            Condition(
                lambda: intents.read_intent(context.settings.project) is not None,
                "no upgrade has begun to install",
            )
        ],
        "meta": {"stage": "intent"},
    }


def _intend(context: Context) -> None:
    project, settings = context.settings.project, context.settings
    installation.require_unchanged(project, context.upgrade.entries)
    intents.write_intent(
        project,
        Intent(
            run_id=context.run_id,
            era=context.upgrade.era,
            environment=settings.environment.name,
            target=settings.target.shown if context.uses_database else "",
            backup=context.files_backup or "",
            entries=context.upgrade.entries,
        ),
    )


def install(context: Context, after: str | None) -> Iterator[StepDict]:
    """Replace each file in one step, after the last migration; `after` is that step."""
    project = context.settings.project
    for entry in context.upgrade.entries:
        needs, staged = [after or SCAN], []
        if entry.after is not None and context.upgrade.unfinished is None:
            # The file itself is no target: staging reads it, so doit would see a circle.
            staged = [str(intents.staged_path(project, entry.path))]
            needs += [f"migrate:stage:{step_name(entry.path)}", REGENERATE]
        yield {
            "basename": "migrate:install",
            "name": step_name(entry.path),
            "doc": "replace the file" if entry.after else "move the file into the backup",
            "actions": [Call(_install, context, entry)],
            "task_dep": needs,
            "file_dep": staged,
            "setup": [BACKUP_FILES, INTENT],
            "uptodate": [
                Condition(partial(installation.is_installed, project, entry), "is not upgraded yet")
            ],
            "meta": {"stage": "install", "inputs": [entry.path]},
        }


def _install(context: Context, entry: Entry) -> None:
    installation.install(context.settings.project, entry)


def installed(context: Context) -> list[str]:
    """Give the files of this upgrade that are in place, as they are shown to people."""
    project = context.settings.project
    return [
        str(project.shown(project.root / entry.path))
        for entry in context.upgrade.entries
        if installation.is_installed(project, entry)
    ]
