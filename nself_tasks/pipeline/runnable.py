"""Whether the scripts of a run or rollback can run at all, asked before the first one does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nself_tasks.errors import HistoryError, InputError, Problem
from nself_tasks.model import Category, SourceFile

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context


def check_scripts(context: Context) -> None:
    """Raise InputError for all pending files that cannot run, or not under `--atomic`."""
    require_runnable(context, [m.up for m in context.pending])
    if not context.options.atomic:
        return
    problems = []
    for migration in context.pending:
        script, path = context.script(migration.up), str(migration.up.path)
        alone = [s for s in script.statements if s.category is Category.STANDALONE]
        problems += [
            Problem(f"{s.reason} cannot run in a transaction", path, s.line) for s in alone
        ]
        if script.no_transaction and not alone:
            problems.append(Problem("the file is declared `no-transaction`", path, 1))
    if problems:
        raise InputError(
            "`--atomic` puts the whole run into one transaction, and these cannot be in one",
            problems=problems,
            hint="run without `--atomic`, or bound the run with `--to`",
            database="unchanged",
        )


def require_runnable(context: Context, sources: Iterable[SourceFile]) -> None:
    """Raise one InputError with the problems of every script that cannot run."""
    problems: list[Problem] = []
    for source in sources:
        try:
            context.script(source)
        except InputError as error:
            problems += error.problems or (Problem(error.message, str(source.path)),)
    if problems:
        raise InputError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the SQL files",
            problems=problems,
            hint="mend the files and run again; nothing was changed",
            database="unchanged",
        )


def check_reversals(context: Context) -> None:
    """Raise HistoryError or InputError unless every down of a rollback is there and can run."""
    problems = []
    for reversal in context.reversals:
        source = reversal.migration.down
        if source is None:
            up = reversal.migration.up.path
            wanted = up.with_name(f"{reversal.row.version}_{reversal.row.name}.down.sql")
            problems.append(
                Problem(f"{reversal.row.version} has no down file with SQL in it", str(wanted))
            )
    if problems:
        raise HistoryError(
            "this rollback cannot be done: a down is missing",
            problems=problems,
            hint="write the missing down file, then run again; nothing was changed",
            facts={"versions": [r.row.version for r in context.reversals if not r.migration.down]},
            database="unchanged",
        )
    sources = [r.migration.down for r in context.reversals if r.migration.down]
    require_runnable(context, sources)
    for reversal in context.reversals:
        if reversal.migration.down:
            reversal.script = context.script(reversal.migration.down)
