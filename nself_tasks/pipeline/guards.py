"""What stands in the way of a run: environment, history, scripts; asked before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks.errors import GuardError, HistoryError, Problem, UsageError
from nself_tasks.migrations.reconcile import BLOCKING, OUT_OF_ORDER, problem
from nself_tasks.model import Environment
from nself_tasks.pipeline.recorded import check_recorded

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context


def strictest(context: Context) -> Environment:
    """Give the stricter of the chosen environment and the database's label."""
    chosen = context.settings.environment
    meta = context.history.meta
    if meta is None:
        return chosen
    labelled = Environment(meta.environment, "the database's label")
    return labelled if labelled.strictness > chosen.strictness else chosen


def check_flags(context: Context) -> None:
    """Raise UsageError for `--skip-backup` where the stricter environment forbids it."""
    environment = strictest(context)
    if not context.options.skip_backup or environment.strictness == 0:
        return
    if environment.strictness == 1:
        # Asked for before the first step, where somebody is there to answer.
        return
    raise UsageError(
        f"`--skip-backup` is for dev, and this is {environment.name} ({environment.source})",
        hint="leave `--skip-backup` out",
        database="unchanged",
    )


def check_environment(context: Context) -> None:
    """Raise GuardError when the database belongs to another environment or project."""
    check_flags(context)
    meta, chosen = context.history.meta, context.settings.environment
    if meta is None:
        return
    if context.options.relabel:
        if chosen.source == "default":
            raise UsageError(
                "`--relabel` writes a new label, and no environment was named",
                hint="name it: `--relabel --env dev|staging|prod`",
                database="unchanged",
            )
        return
    if chosen.name != meta.environment and chosen.source != "default":
        raise GuardError(
            f"this database is labelled {meta.environment}, the chosen environment is"
            f" {chosen.name} ({chosen.source})",
            hint="check DATABASE_URL and `--env`; `--relabel` writes the new label, once you are"
            " sure",
            database="unchanged",
        )
    project = context.settings.project_name
    if project and meta.project and project != meta.project:
        raise GuardError(
            f"this database belongs to the project `{meta.project}`, this is `{project}`",
            hint="check DATABASE_URL; `--relabel` gives the database to this project, once you are"
            " sure",
            database="unchanged",
        )


def check_history(context: Context) -> None:
    """Raise HistoryError with every applied file that was edited, renamed or is gone."""
    found = [(s, problem(s)) for s in context.standings if s.state in BLOCKING]
    problems = [p for _, p in found if p]
    if problems and context.goal == "run":
        versions = [s.version for s, _ in found]
        raise HistoryError(
            f"{len(problems)} applied migration{'s' if len(problems) > 1 else ''}"
            " and the history do not fit together",
            problems=problems,
            hint="put the files back as they were applied (`nself migrate status --verbose` shows"
            " the difference), and write what is to change as a new migration",
            facts={"versions": versions},
            database="unchanged",
        )
    _check_direction(context)
    check_recorded(context)
    if context.goal == "run":
        _check_order(context)


def _check_direction(context: Context) -> None:
    """A migration that is partly applied is finished first, in the direction in which it began."""
    for standing in context.standings:
        row = standing.row
        if row is None or row.state != "partial":
            continue
        if context.goal == "run" and row.direction == "down":
            raise HistoryError(
                f"{standing.version} is partly rolled back",
                hint="finish that first: `nself migrate rollback`",
                facts={"versions": [standing.version]},
                database="unchanged",
            )
        if context.goal == "rollback" and row.direction == "up":
            raise HistoryError(
                f"{standing.version} is partly applied",
                hint="finish it first: `nself migrate run` resumes at the statement that is next",
                facts={"versions": [standing.version]},
                database="unchanged",
            )


def _check_order(context: Context) -> None:
    """Older than the newest applied: a note in dev, refused elsewhere unless `--out-of-order`."""
    late = [s for s in context.standings if s.state == OUT_OF_ORDER]
    if context.options.to is not None:
        late = [s for s in late if s.number <= context.options.to]
    if not late or context.options.out_of_order or strictest(context).strictness == 0:
        return
    problems = [
        Problem(
            f"{s.version} is older than the newest applied migration",
            str(s.migration.up.path) if s.migration else None,
        )
        for s in late
    ]
    raise HistoryError(
        f"{len(late)} pending migration{'s are' if len(late) > 1 else ' is'} out of order",
        problems=problems,
        hint="give it a new timestamp, or apply it where it stands with `--out-of-order`",
        facts={"versions": [s.version for s in late]},
        database="unchanged",
    )
