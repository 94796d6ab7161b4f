"""The steps before the first change: history (looks), lock, backup, begin."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nself_tasks.pipeline import claim, dump_choice, preflight
from nself_tasks.pipeline.files_lock import FILES_LOCK
from nself_tasks.pipeline.steps import Call, Condition, PlanStale, StepDict

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

HISTORY = "migrate:history"
LOCK = "migrate:lock"
BACKUP_FILES = "migrate:backup:files"
BACKUP = "migrate:backup:database"
BEGIN = "migrate:begin"
CREATE = "migrate:create-history"


def setup_steps(context: Context) -> list[str]:
    """Give the setup steps of everything that changes the database, in order."""
    steps = [LOCK]
    if not context.upgrade.is_empty:
        # Whatever can be undone is made ready before the first change, of files or database.
        steps.append(BACKUP_FILES)
    if not context.options.skip_backup:
        steps.append(BACKUP)
    if context.options.atomic and not context.only_relabels:
        steps.append(BEGIN)
    if context.goal == "run":
        steps.append(CREATE)
    return steps


def history(context: Context) -> Iterator[StepDict]:
    """Look whether files, history and environment fit together; everything comes after it."""

    def looked() -> bool:
        context.check()
        return False

    yield {
        "basename": HISTORY,
        "doc": _history_title(context),
        "actions": [Call(lambda: None)],
        "uptodate": [Condition(looked, "always looks, changes nothing")],
        "meta": {"stage": "history", "check": True},
    }


def _history_title(context: Context) -> str:
    applied = sum(1 for r in context.history.rows if r.state == "applied")
    total = len(context.migrations)
    return f"compare files and history: {applied:,} of {total:,} applied"


def lock(context: Context) -> Iterator[StepDict]:
    """Take the database's migration lock; a graph that is stale by then is built again."""
    yield {
        "basename": LOCK,
        "doc": "one runner at a time: take the migration lock",
        "actions": [Call(_take_lock, context)],
        # In this order everywhere, so that two runners never wait for each other.
        "task_dep": [*preflight.ids(context), *([] if context.upgrade.is_empty else [FILES_LOCK])],
        "teardown": [Call(_release_lock, context)],
        "uptodate": [
            Condition(
                lambda: context.session is not None and context.session.locked,
                "this run does not hold the lock yet",
            )
        ],
        "meta": {"stage": "lock"},
    }


def _take_lock(context: Context) -> dict[str, Any]:
    from nself_tasks.database import history as rows

    session = context.require_session()
    waited = session.acquire_lock(wait=context.options.lock_wait)
    context.load_files()
    context.set_history(rows.read(session.connection))
    if context.fingerprint() != context.loaded:
        context.stale = True
        raise PlanStale
    context.check()
    return {"waited": waited}


def _release_lock(context: Context) -> None:
    # A stale graph is built again under the same lock: nobody may come in between.
    if context.session is not None and not context.stale:
        context.session.close()


def backup(context: Context) -> Iterator[StepDict]:
    """Dump the database; a resume keeps the backup of the run that it finishes."""
    if context.options.skip_backup:
        return
    yield {
        "basename": "migrate:backup",
        "name": "database",
        "doc": "dump the database to .nself/backup and verify the dump",
        "actions": [Call(_take_backup, context)],
        "task_dep": [LOCK] if context.upgrade.is_empty else [LOCK, BACKUP_FILES],
        "uptodate": [Condition(lambda: _covered(context), dump_choice.reason(context))],
        "meta": {"stage": "backup"},
    }


def _covered(context: Context) -> bool:
    if (found := covering(context)) is None:
        return False
    context.claim = found
    return True


def covering(context: Context) -> claim.Claim | None:
    """Give the claim whose backup holds what this run would lose, where there is one."""
    from nself_tasks.storage import backup_dir

    if context.session is None or context.facts is None:
        return None
    found = claim.read(context.settings.project)
    is_covered = claim.covers(
        found,
        goal=context.goal,
        identity=context.facts.identity,
        xid=claim.next_xid(context.session),
        backups=backup_dir(context.settings.project),
    )
    return found if is_covered else None


def _take_backup(context: Context) -> dict[str, Any]:
    from nself_tasks.backup_folder import sweep_unfinished
    from nself_tasks.database import backup as dumps
    from nself_tasks.storage import backup_dir, ensure_private

    session, project = context.require_session(), context.settings.project
    folder = backup_dir(project)
    ensure_private(folder)
    sweep_unfinished(folder)
    started, xid = time.time(), claim.next_xid(session)
    taken = dumps.take(
        folder,
        dumps.Occasion(
            project_dir=project.root,
            reason=f"before `nself migrate {context.goal}`",
            run_id=context.run_id,
            environment=context.settings.environment.name,
        ),
        connection=session.connection,
        facts=session.facts,
        into=context.files_backup,
        progress=context.around.progress,
        find_stack=lambda: dump_choice.find_stack(context.settings),
    )
    context.claim = claim.Claim(
        run_id=context.run_id,
        goal=context.goal,
        identity=session.facts.identity,
        backup=taken.id,
        taken_at=started,
        next_xid=xid,
    )
    claim.write(project, context.claim)
    return {"backup": taken.id, "bytes": taken.size, "tool": taken.tool}


def begin(context: Context) -> Iterator[StepDict]:
    """Open the one transaction of `--atomic`."""
    if not context.options.atomic or context.only_relabels:
        return

    def open_batch() -> None:
        from nself_tasks.database import apply

        apply.begin_batch(context.require_session())

    yield {
        "basename": BEGIN,
        "doc": "open one transaction for the whole run (--atomic)",
        "actions": [Call(open_batch)],
        "task_dep": [LOCK] if context.options.skip_backup else [LOCK, BACKUP],
        "uptodate": [
            Condition(
                lambda: context.session is not None and context.session.in_batch,
                "no transaction is open yet",
            )
        ],
        "meta": {"stage": "begin"},
    }
