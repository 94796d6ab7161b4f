"""Opens the database for a context: to look at it, or for a run; then history and reversals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from nself_tasks.migrations.reconcile import OUT_OF_ORDER
from nself_tasks.model import Migration, SourceFile
from nself_tasks.pipeline import dump_choice, guards
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.options import Reversal
from nself_tasks.pipeline.reversals import choose_down
from nself_tasks.schema_history import HistoryRow

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

READ_ONLY_APPLICATION = "nself-migrate plan"


@contextmanager
def looking(context: Context) -> Iterator[Context]:
    """Fill a context from the database through a connection that cannot write."""
    from nself_tasks.database import connection as connecting
    from nself_tasks.database import history
    from nself_tasks.database.target import open_for_planning
    from nself_tasks.database.waiting import until_it_answers

    settings = context.settings
    with open_for_planning(settings.target, settings.project.root) as url:
        if url is None:
            yield context
            return
        until_it_answers(url, context.options.wait_for_db, context.notice)
        connection = connecting.connect(url, application=READ_ONLY_APPLICATION, read_only=True)
        try:
            context.facts = connecting.facts(connection)
            context.before.connection = connection
            context.set_history(history.read(connection))
            say_label(context)
            load_reversals(context, connection)
            dump_choice.look(context, connection)
            yield context
        finally:
            connection.close()


@contextmanager
def session_for(context: Context) -> Iterator[str]:
    """Give a context its session for a run; yields the URL. The session is closed at the end."""
    from nself_tasks.database import connection as connecting
    from nself_tasks.database.session import Session
    from nself_tasks.database.target import open_target
    from nself_tasks.database.waiting import until_it_answers

    settings = context.settings
    for note in settings.target.notes:
        context.notice("note", note)
    with open_target(settings.target, settings.project.root) as url:
        until_it_answers(url, context.options.wait_for_db, context.notice, writes=True)
        session = Session(
            url,
            run_id=context.run_id,
            notice=context.notice,
            undecided=context.options.undecided,
        )
        session.secrets = settings.secrets
        try:
            connecting.require_writable(session.connection)
            context.session, context.facts = session, session.facts
            session.on_transaction = context.transaction_began
            refresh(context)
            yield url
        finally:
            session.close()


def refresh(context: Context) -> None:
    """Read history and reversals through the context's session."""
    from nself_tasks.database import history

    connection = context.require_session().connection
    context.set_history(history.read(connection))
    say_label(context)
    load_reversals(context, connection)


def say_label(context: Context) -> None:
    """Say whose guards hold where nobody named an environment: the stricter label's."""
    meta, chosen = context.history.meta, context.settings.environment
    if meta and chosen.source == "default" and meta.environment != chosen.name:
        context.notice("note", f"this database is labelled {meta.environment}: its guards hold")


def load_reversals(context: Context, connection: Conn) -> None:
    """Find the down of every migration that a rollback is to undo."""
    from nself_tasks.database import history

    if context.goal != "rollback":
        return
    files = {m.number: m for m in context.migrations}
    found = []
    for row in context.rows_to_revert:
        reversal = Reversal(files.get(row.number) or _from_row(row), row)
        recorded = history.recorded(connection, row.id)
        reversal.migration = choose_down(reversal, recorded, wanted=context.options.down)
        if reversal.difference:
            chosen = reversal.migration.down
            used = chosen.path if chosen else "neither"
            context.notice(
                "warning",
                f"the down of {row.version} was edited after it was recorded, {used} is used:\n"
                + reversal.difference,
            )
        found.append(reversal)
    context.reversals = tuple(found)


def _from_row(row: HistoryRow) -> Migration:
    """Stand in for a migration whose files are gone: the history has its SQL."""
    path = PurePosixPath(f"history/{row.version}_{row.name}.sql")
    return Migration(row.version, row.name, SourceFile(path, "", row.checksum), None)


def say_bound(context: Context) -> None:
    """Say when `--to` names no migration, and what is out of order in dev."""
    bound = context.options.to
    if bound is not None:
        known = {s.number for s in context.standings}
        if bound not in known:
            side = "at or below" if context.goal == "run" else "above"
            context.notice("note", f"no migration has the version {bound}; it bounds all {side} it")
    if context.goal == "run":
        pending = {m.number for m in context.pending}
        for standing in context.standings:
            if standing.state == OUT_OF_ORDER and standing.number in pending:
                context.notice(
                    "note", f"{standing.version} is older than the newest applied migration"
                )
            for note in standing.notes:
                context.notice("note", f"{standing.version}: {note}")


def described(context: Context) -> dict[str, Any]:
    """Give what every report of a run or plan says of its target."""
    settings = context.settings
    environment = guards.strictest(context)
    # Files alone need no database; where none can be named that is no reason to stop.
    target = settings.target if context.uses_database else None
    alone = settings.project.scope == "plugins"
    return {
        **({"plugins_dir": str(settings.project.root)} if alone else {}),
        "goal": context.goal,
        "target": target.shown if target else "none",
        "target_source": target.source if target else "not asked",
        "environment": environment.name,
        "environment_source": environment.source,
        "losses": context.before.shown(),
    }
