"""The last step before the record: backups beyond the number that is kept go, by name.

Which ones is decided once, in the plan, before this run takes its own; before each one goes it is
looked at again, and stays where the newer ones are not there.
A run that fails does not come here, so that no number of failing runs costs the last good backup.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nself_tasks import file_backup, retention
from nself_tasks import intent as intents
from nself_tasks.pipeline import claim, prepare
from nself_tasks.pipeline.steps import Call, Condition, StepDict
from nself_tasks.storage import backup_dir

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

RETAIN = "migrate:retain-backups"


def retain(context: Context, after: list[str]) -> Iterator[StepDict]:
    """Delete the backups that are more than NSELF_BACKUP_KEEP, once everything else is done."""
    found = surplus(context)
    if not found:
        return
    keep = context.settings.backup_keep
    yield {
        "basename": RETAIN,
        "doc": f"delete backups beyond the newest {keep} (NSELF_BACKUP_KEEP): {', '.join(found)}",
        "actions": [Call(_remove, context, found)],
        "task_dep": after,
        "uptodate": [
            Condition(lambda: not _there(context, found), f"more than {keep} of one database")
        ],
        "meta": {"stage": "retain"},
    }


def surplus(context: Context) -> list[str]:
    """Give the backups that go once this run has taken its own; empty where it takes none."""
    takes_dump = context.uses_database and context.work_to_do and not context.options.skip_backup
    if not takes_dump and context.upgrade.is_empty:
        return []
    return retention.surplus(
        context.settings.project,
        context.settings.backup_keep,
        needed=_needed(context),
        upcoming=_upcoming(context, takes_dump=takes_dump),
    )


def _upcoming(context: Context, *, takes_dump: bool) -> str | None:
    """Give what the backup that this run will take is counted with; None where it takes none."""
    if takes_dump and context.claim is None and prepare.covering(context) is None:
        return context.facts.identity if context.facts else None
    takes_files = not context.upgrade.is_empty and context.files_backup is None
    return retention.FILES if takes_files else None


def _there(context: Context, planned: list[str]) -> list[str]:
    folder = backup_dir(context.settings.project)
    return [one for one in planned if (folder / one).exists()]


def _needed(context: Context) -> set[str]:
    """Give the backups of this run, of an unfinished one, and of the upgrade that can be undone."""
    project = context.settings.project
    found = claim.read(project)
    intent = intents.readable_intent(project)
    return {
        backup
        for backup in (
            context.files_backup,
            context.claim.backup if context.claim else None,
            found.backup if found else None,
            intent.backup if intent else None,
            file_backup.of_last_upgrade(project),
        )
        if backup
    }


def _remove(context: Context, planned: list[str]) -> dict[str, Any]:
    removed, freed = [], 0
    project, keep = context.settings.project, context.settings.backup_keep
    for backup_id in _there(context, planned):
        if backup_id not in retention.surplus(project, keep, needed=_needed(context)):
            context.notice(
                "note", f"the backup {backup_id} stays: {keep} newer ones that are whole are needed"
            )
            continue
        try:
            freed += retention.remove(project, backup_id)
        except OSError as error:
            context.notice(
                "warning", f"the backup {backup_id} could not be deleted: {error.strerror or error}"
            )
            continue
        removed.append(backup_id)
    return {"removed": removed, "freed": freed}
