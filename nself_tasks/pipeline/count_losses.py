"""The step `count-losses`: what goes for good, counted and shown; in prod a rollback asks first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nself_tasks.errors import GuardError, UsageError
from nself_tasks.migrations.losses import losses
from nself_tasks.pipeline import before, guards
from nself_tasks.pipeline.before import Losses
from nself_tasks.pipeline.preflight import COUNT_LOSSES, PREFLIGHT, loses
from nself_tasks.pipeline.steps import Call, Condition, StepDict
from nself_tasks.reporting.losses_text import sentence

if TYPE_CHECKING:
    from nself_tasks.database.counting import Counted
    from nself_tasks.pipeline.context import Context

_PROD = 2


def count_losses(context: Context) -> Iterator[StepDict]:
    """Count what goes; a rollback in prod wants it confirmed before anything happens."""
    if not loses(context):
        return

    def looked() -> bool:
        context.before.losses = _counted(context)
        return False

    yield {
        "basename": COUNT_LOSSES,
        "doc": "count the tables, columns and rows that go",
        "actions": [Call(_show_and_ask, context)],
        "task_dep": [PREFLIGHT],
        "uptodate": [Condition(looked, "always looks, changes nothing")],
        "meta": {"stage": "count-losses", "check": True},
    }


def _counted(context: Context) -> Losses:
    """Ask the database, which a run outside prod does not: what it does is in its files."""
    connection = before.connection(context)
    runs = context.session is not None and context.goal == "run"
    if connection is None or (runs and guards.strictest(context).strictness < _PROD):
        return ()
    from nself_tasks.database.counting import count

    found = []
    for version, script in before.scripts(context):
        taken = losses(script)
        if context.goal == "run":
            # What a pending file's own functions do is not known before, and is not a loss.
            taken = tuple(loss for loss in taken if loss.kind != "unknown")
        found += [(version, str(script.source.path), one) for one in count(connection, taken)]
    return _without_repetition(found)


def _without_repetition(found: list[tuple[str, str, Counted]]) -> Losses:
    """A table that one script drops has nothing more to lose in the next one."""
    kept: list[tuple[str, str, Counted]] = []
    gone: set[str] = set()
    for version, path, one in found:
        # A column is told with its table.
        whole = one.name.rpartition(".")[0] if one.kind == "column" else one.name
        if one.kind != "unknown" and whole in gone:
            continue
        if one.kind not in ("unknown", "rows", "links", "column"):
            gone.add(one.name)
        kept.append((version, path, one))
    return tuple(kept)


def _show_and_ask(context: Context) -> None:
    """Say what goes. Raises UsageError or GuardError where prod's confirmation is missing."""
    found = context.before.losses
    for version, path, one in found:
        before.say(context, "note", sentence({"version": version, "path": path, **one._asdict()}))
    asks = context.goal == "rollback" and guards.strictest(context).strictness >= _PROD
    if not asks or context.options.yes or context.before.confirmed == found:
        return
    versions = ", ".join(reversal.row.version for reversal in context.reversals)
    environment = guards.strictest(context)
    answer = context.before.confirm(
        f"Roll back {versions} on {context.settings.target.shown} ({environment.name})?"
    )
    if answer is None:
        raise UsageError(
            f"a rollback in {environment.name} ({environment.source}) wants `--yes`, or a terminal"
            " where it can ask",
            hint="look at `nself migrate rollback --dry-run`, then add `--yes`; nothing was"
            " changed",
            database="unchanged",
        )
    if not answer:
        raise GuardError(
            f"{versions} was not rolled back: the answer was no",
            hint="nothing was changed",
            database="unchanged",
        )
    context.before.confirmed = found
