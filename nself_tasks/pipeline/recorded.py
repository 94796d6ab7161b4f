"""Guards what was recorded without being run: nobody knows what its down would meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks.errors import HistoryError, Problem

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Context


def check_recorded(context: Context) -> None:
    """Raise HistoryError where a rollback would undo what was only recorded, and is not named.

    Every migration that ran has the time that it took in its row; a row without was written by
    somebody who said that it is done.
    """
    if context.goal != "rollback":
        return
    only = [
        row
        for row in context.rows_to_revert
        if row.state == "applied"
        and row.execution_ms is None
        and row.number not in context.options.recorded
    ]
    if not only:
        return
    named = " ".join(f"--recorded {row.version}" for row in only)
    raise HistoryError(
        "this rollback would undo what was recorded without being run",
        problems=[
            Problem(f"{row.version}_{row.name} is in the history, and no run has applied it")
            for row in only
        ],
        hint=f"bound the rollback with `--to`, or name what it may undo: `{named}`",
        facts={"versions": [row.version for row in only]},
        database="unchanged",
    )
