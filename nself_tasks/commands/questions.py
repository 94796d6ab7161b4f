"""What a person is asked before the first step; without a terminal `--yes` is the answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nself_tasks.errors import GuardError, NselfError, UsageError
from nself_tasks.pipeline import guards
from nself_tasks.reporting.question import somebody_answers

if TYPE_CHECKING:
    from nself_tasks.model import Environment
    from nself_tasks.pipeline.context import Context


def ask_about_the_backup(context: Context) -> None:
    """Ask whether staging may be changed without a backup, where `--skip-backup` says so.

    Raises GuardError for a no, UsageError where nobody is there to answer.
    """
    if not _asks(context):
        return
    environment = guards.strictest(context)
    answer = context.before.confirm(f"Go on without a backup in {environment.name}?")
    if answer is None:
        raise _nobody_there(environment)
    if not answer:
        raise GuardError("not confirmed, so nothing was changed", database="unchanged")


def require_somebody(context: Context) -> None:
    """Raise UsageError for a plan of what would ask where nobody is there to answer."""
    if _asks(context) and not somebody_answers(sys.stderr):
        raise _nobody_there(guards.strictest(context))


def _asks(context: Context) -> bool:
    """Whether a question is put: in staging, without a backup, where something will change."""
    if not context.options.skip_backup or context.options.yes or _is_blocked(context):
        return False
    return guards.strictest(context).strictness == 1 and context.work_to_do


def _nobody_there(environment: Environment) -> UsageError:
    return UsageError(
        f"`--skip-backup` in {environment.name} needs `--yes`, or a terminal to ask at",
        hint="leave `--skip-backup` out, or add `--yes`",
        database="unchanged",
    )


def _is_blocked(context: Context) -> bool:
    """Whether the run will be refused anyway: its first step says why."""
    try:
        context.check()
    except NselfError:
        return True
    return False
