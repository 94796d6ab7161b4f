"""The arguments of `maintenance`: what to do, and what nginx answers meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from nself_tasks.delegation import MAINTENANCE


def add(command: argparse.ArgumentParser, *, seconds: Callable[[str], float]) -> None:
    """Give the command its arguments; `seconds` reads a number of seconds."""
    command.add_argument("action", metavar="enable|disable|status", type=_action)
    command.add_argument(
        "--retry-after",
        metavar="SECONDS",
        type=_retry_after,
        help="enable: when clients are to ask again (default: 300)",
    )
    command.add_argument("--message", metavar="TEXT", help="enable: the sentence on the page")
    command.add_argument(
        "--lock-wait",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="how long to wait for a run on the same files (default: 30)",
    )


def _action(text: str) -> str:
    if text not in MAINTENANCE:
        raise argparse.ArgumentTypeError(f"`{text}` is none of {', '.join(MAINTENANCE)}")
    return text


def _retry_after(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 604_800):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of seconds: 1 to 604800")
    return int(text)
