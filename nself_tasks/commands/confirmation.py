"""A question that a person at a terminal answers, or `--yes`."""

from __future__ import annotations

import sys

from nself_tasks.errors import UsageError
from nself_tasks.reporting.question import somebody_answers


def confirm(question: str, answer: str, *, yes: bool, where: str) -> None:
    """Return when `--yes` was given or `answer` is typed. Raises UsageError otherwise.

    `where` says why the question is put: the environment and who named it.
    """
    if yes:
        return
    if not somebody_answers(sys.stderr):
        raise UsageError(
            f"{question} {where}, and nobody is here to be asked",
            hint="add `--yes`, once you are sure; nothing was changed",
            database="unchanged",
        )
    sys.stderr.write(f"{question} {where}.\nType `{answer}` to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != answer:
        raise UsageError(
            f"`{answer}` was not typed", hint="nothing was changed", database="unchanged"
        )
