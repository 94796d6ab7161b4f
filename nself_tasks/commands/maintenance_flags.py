"""The flags of `nself maintenance`: what they mean together, and the call that they become."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nself_tasks.errors import UsageError
from nself_tasks.maintenance.snippet import (
    DEFAULT_MESSAGE,
    DEFAULT_RETRY_AFTER,
    LONGEST_MESSAGE,
    Wanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from nself_tasks.model import Report
    from nself_tasks.settings import Settings


def maintenance(
    options: argparse.Namespace, settings: Settings, notice: Callable[[str, str], None]
) -> Report:
    """Do what was asked for. Raises UsageError for flags that mean nothing together."""
    wanted = _wanted(options)
    from nself_tasks.commands import maintenance as command

    if options.action == "enable":
        return command.enable(settings, wanted, lock_wait=options.lock_wait, notice=notice)
    if options.action == "disable":
        return command.disable(settings, lock_wait=options.lock_wait, notice=notice)
    return command.status(settings)


def _wanted(options: argparse.Namespace) -> Wanted:
    for flag in ("retry_after", "message"):
        if getattr(options, flag) is not None and options.action != "enable":
            raise UsageError(
                f"`--{flag.replace('_', '-')}` is what `enable` answers with",
                hint="leave it out, or run `nself maintenance enable` with it",
            )
    message = DEFAULT_MESSAGE if options.message is None else options.message.strip()
    if not message or not message.isprintable() or len(message) > LONGEST_MESSAGE:
        raise UsageError(
            f"`--message` is not one line of 1 to {LONGEST_MESSAGE} characters",
            hint="say it in one sentence",
        )
    return Wanted(options.retry_after or DEFAULT_RETRY_AFTER, message)
