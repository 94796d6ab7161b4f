"""The graph of `rollback --files`: the project's files as a backup has them.

scan-backup ─► restore:<path> … ─► remove:<path> … ─► record
                 setup: backup:files (today's files) ◄ intent
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from nself_tasks import file_backup, installation
from nself_tasks import intent as intents
from nself_tasks.errors import GuardError
from nself_tasks.maintenance.refit import refit
from nself_tasks.pipeline.steps import Call, Condition, StepDict, step_name

if TYPE_CHECKING:
    from nself_tasks.pipeline.restoration import Restoration

SCAN = "migrate:scan-backup"
BACKUP = "migrate:backup:files"
INTENT = "migrate:intent"
RECORD = "migrate:record"


def steps(restoration: Restoration) -> Iterator[StepDict]:
    """Give every step of the graph as data for doit."""
    backup_id = restoration.manifest["timestamp"]
    yield {
        "basename": SCAN,
        "doc": f"compare today's files and the backup {backup_id}",
        "actions": [Call(lambda: None)],
        "uptodate": [Condition(restoration.check, "always looks, changes nothing")],
        "meta": {"stage": "scan", "check": True},
    }
    yield {
        "basename": "migrate:backup",
        "name": "files",
        "doc": "copy today's files to .nself/backup",
        "actions": [Call(_backup, restoration)],
        "task_dep": [SCAN],
        "uptodate": [
            Condition(lambda: restoration.today is not None, "today's files have no backup yet")
        ],
        "meta": {"stage": "backup"},
    }
    yield _intent(restoration)
    yield from _restores(restoration)
    yield from _removals(restoration)
    ends = [f"migrate:restore:{step_name(entry['source'])}" for entry in restoration.files]
    ends += [f"migrate:remove:{step_name(path)}" for path in restoration.created]
    yield {
        "basename": RECORD,
        "doc": "look at the files again and end the upgrade",
        "actions": [Call(_record, restoration)],
        "task_dep": [SCAN, *ends],
        "uptodate": [Condition(lambda: _is_done(restoration), "the rollback ends here")],
        "meta": {"stage": "record"},
    }


def _intent(restoration: Restoration) -> StepDict:
    return {
        "basename": INTENT,
        "doc": "put on disk what will be put back, so that a crash can be finished",
        "actions": [Call(restoration.intend)],
        "task_dep": [BACKUP],
        "uptodate": [
            Condition(lambda: restoration.is_intended, "no rollback of this upgrade has begun")
        ],
        "meta": {"stage": "intent"},
    }


def _restores(restoration: Restoration) -> Iterator[StepDict]:
    project = restoration.project
    for entry in restoration.files:
        yield {
            "basename": "migrate:restore",
            "name": step_name(entry["source"]),
            "doc": "put the file back as it was",
            "actions": [Call(installation.restore, project, restoration.manifest, entry)],
            "task_dep": [SCAN],
            "setup": [BACKUP, INTENT],
            "uptodate": [Condition(partial(restoration.is_restored, entry), "is not as it was")],
            "meta": {"stage": "restore", "inputs": [entry["source"]]},
        }


def _removals(restoration: Restoration) -> Iterator[StepDict]:
    project, folders = restoration.project, restoration.created_folders
    for path in restoration.created:
        yield {
            "basename": "migrate:remove",
            "name": step_name(path),
            "doc": "remove the file that the upgrade made",
            "actions": [Call(installation.remove_created, project, path, folders)],
            "task_dep": [SCAN],
            "setup": [BACKUP, INTENT],
            "uptodate": [
                Condition(partial(restoration.is_removed, path), "was made by the upgrade")
            ],
            "meta": {"stage": "remove", "inputs": [path]},
        }


def _backup(restoration: Restoration) -> dict[str, Any]:
    paths = [entry["source"] for entry in restoration.files] + restoration.created
    restoration.today = file_backup.take(
        restoration.project,
        paths,
        about={"run_id": restoration.run_id, "reason": "before `nself migrate rollback --files`"},
        after={
            **{entry["source"]: entry["sha256"] for entry in restoration.files},
            **dict.fromkeys(restoration.created),
        },
    )
    return {"backup": restoration.today}


def _is_done(restoration: Restoration) -> bool:
    project = restoration.project
    recorded = intents.intent_path(project).exists() or intents.state_path(project).exists()
    return not restoration.left and not recorded


def _record(restoration: Restoration) -> dict[str, Any]:
    if restoration.left:
        raise GuardError(
            "files are not what this rollback made of them: " + ", ".join(restoration.left),
            hint="somebody changed them while this ran: look at them, then run again",
        )
    refit(restoration.project, lambda _: None, restoration.notice)
    # The intent last: as long as it is there, a crash leaves something that says so.
    intents.remove_state(restoration.project)
    intents.remove_intent(restoration.project)
    return {"restored": [entry["source"] for entry in restoration.files]}
