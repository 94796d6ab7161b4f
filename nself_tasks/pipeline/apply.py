"""The stage `apply`: one step a pending migration, one transaction a step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nself_tasks.errors import HistoryError, InputError
from nself_tasks.migrations.masked import masked_statement
from nself_tasks.migrations.script import segments
from nself_tasks.model import Migration, Script
from nself_tasks.pipeline.prepare import HISTORY, setup_steps
from nself_tasks.pipeline.steps import Call, Condition, StepDict

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context

COMMIT = "migrate:commit"


def apply(context: Context) -> Iterator[StepDict]:
    """Give the chain of apply steps; applied migrations have none unless `unfold` is set."""
    previous = HISTORY
    chosen = context.listed
    context.waiting = deque(m for m in chosen if not context.is_applied(m.version))
    for migration in chosen:
        yield {
            "basename": "migrate:apply",
            "name": migration.version,
            "doc": migration.name,
            "actions": [Call(_apply, context, migration)],
            "task_dep": [previous],
            "setup": setup_steps(context),
            "uptodate": [_condition(context, migration)],
            "meta": {"stage": "apply", **_shown(context, migration)},
        }
        previous = f"migrate:apply:{migration.version}"


def commit(context: Context) -> Iterator[StepDict]:
    """Commit the one transaction of `--atomic`, after the last migration."""
    if not context.options.atomic or not context.pending:
        return

    def commit_batch() -> None:
        from nself_tasks.database import apply as database

        database.commit_batch(context.require_session())

    yield {
        "basename": COMMIT,
        "doc": "commit the transaction of the whole run (--atomic)",
        "actions": [Call(commit_batch)],
        "task_dep": [f"migrate:apply:{context.pending[-1].version}"],
        "uptodate": [Condition(lambda: False, "the transaction is open until here")],
        "meta": {"stage": "commit"},
    }


def _condition(context: Context, migration: Migration) -> Condition:
    state = context.state_of(migration.version)
    why = {
        "partial": "is partly applied, resumes where it stopped",
        "out-of-order": "is not in the history (older than the newest applied)",
        "applied": "is in the history",
    }.get(state, "is not in the history")
    return Condition(lambda: context.is_applied(migration.version), why)


def _shown(context: Context, migration: Migration) -> dict[str, Any]:
    """Give what a plan shows of a migration; a script that cannot run is shown by `history`."""
    shown: dict[str, Any] = {"inputs": [str(migration.up.path)]}
    try:
        script: Script = context.script(migration.up)
    except InputError:
        return shown
    shown["segments"] = list(segments(script))
    if context.options.show_sql:
        shown["sql"] = [masked_statement(s.text) for s in script.statements]
    return shown


def _apply(context: Context, migration: Migration) -> dict[str, Any]:
    """Apply one migration; refused while an earlier one that belongs before it is pending."""
    from nself_tasks.database import apply as database
    from nself_tasks.database import history as rows
    from nself_tasks.database.work import Work

    if context.is_applied(migration.version):
        # doit's `--always-execute` asks for it; a migration never runs twice.
        return {"applied": False}
    _refuse_gap(context, migration)
    session = context.require_session()
    script, backend = context.script(migration.up), session.backend
    database.run(session, Work(migration, script, "up", context.run_facts()))
    if session.backend != backend:
        # Connected again after a lost connection: meanwhile another runner may have had the lock.
        context.set_history(rows.read(session.connection))
    context.applied.add(migration.number)
    return {"statements": len(script.statements)}


def _refuse_gap(context: Context, migration: Migration) -> None:
    """`doit run -s` drops a step's dependencies: the chain holds all the same."""
    waiting = context.waiting
    while waiting and context.is_applied(waiting[0].version):
        waiting.popleft()
    if waiting and waiting[0].number < migration.number:
        raise HistoryError(
            f"{migration.version} cannot be applied before {waiting[0].version}, which is pending",
            hint="apply them in order: `nself migrate run`",
            facts={"version": migration.version},
        )
