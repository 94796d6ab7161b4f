"""Which pg_dump would take the backup: found for a plan, so that a run holds no surprise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks import compose_exec
from nself_tasks.errors import BackupFailed

if TYPE_CHECKING:
    from nself_tasks.compose_exec import Stack
    from nself_tasks.database.connection import Conn
    from nself_tasks.pipeline.context import Context
    from nself_tasks.settings import Settings


def find_stack(settings: Settings) -> Stack | None:
    """Give the project's running Compose stack; the embedded server is in none."""
    return None if settings.target.embedded else compose_exec.stack_of(settings)


def look(context: Context, connection: Conn) -> None:
    """Note which tool a run would take, and warn where there is none."""
    from nself_tasks.database import dump_tool

    if context.options.skip_backup or not context.work_to_do or context.facts is None:
        return
    try:
        tool = dump_tool.choose(connection, context.facts, lambda: find_stack(context.settings))
    except BackupFailed as error:
        context.notice("warning", f"a run would stop at its backup: {error}; {error.hint}")
        return
    context.around.dump_tool = tool.label


def reason(context: Context) -> str:
    """Say why a dump is to be taken, and by what if that is known."""
    tool = context.around.dump_tool
    by = f": {tool} takes one" if tool else ""
    return f"no backup covers what this run would change{by}"
