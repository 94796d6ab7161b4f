"""The arguments of `backups`: what to do, with which backup, and the flags of a restore."""

from __future__ import annotations

import argparse
from collections.abc import Callable

ACTIONS = ("list", "show", "verify", "restore")


def add(command: argparse.ArgumentParser, *, seconds: Callable[[str], float]) -> None:
    """Give the command its arguments; `seconds` reads a number of seconds."""
    command.add_argument(
        "action",
        metavar="list|show|verify|restore",
        nargs="?",
        default="list",
        type=_action,
        help="list the backups (default), show one, verify one or all, restore one",
    )
    command.add_argument("id", metavar="ID", nargs="?", help="the backup, as `list` names it")
    restore = command.add_argument_group("of restore")
    _what(restore)
    _how(restore, seconds)


def _what(restore: argparse._ArgumentGroup) -> None:
    restore.add_argument("--files", action="store_true", help="the project's files alone")
    restore.add_argument("--database", action="store_true", help="the database alone")
    restore.add_argument(
        "--into", metavar="NAME", help="into a new database of this name; replaces nothing"
    )
    restore.add_argument(
        "--replace",
        metavar="NAME",
        help="the target's name, to replace it though the backup is of another database",
    )


def _how(restore: argparse._ArgumentGroup, seconds: Callable[[str], float]) -> None:
    restore.add_argument(
        "--disconnect", action="store_true", help="end the sessions that are in the way"
    )
    restore.add_argument(
        "--drop-old",
        action="store_true",
        help="restore nothing: drop the database that a restore of this backup has kept",
    )
    restore.add_argument(
        "--force-files", action="store_true", help="with files: over files changed since"
    )
    restore.add_argument("--dry-run", action="store_true", help="list the steps, change nothing")
    restore.add_argument(
        "--via",
        choices=("compose",),
        help="reach the server through the container of the Compose stack's `postgres`",
    )
    restore.add_argument("--yes", action="store_true", help="answer questions with yes")
    restore.add_argument(
        "--lock-wait",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="how long to wait for another runner, and for sessions to leave (default: 30)",
    )


def _action(text: str) -> str:
    if text not in ACTIONS:
        raise argparse.ArgumentTypeError(f"`{text}` is none of {', '.join(ACTIONS)}")
    return text
