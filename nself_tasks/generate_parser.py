"""The arguments of `generate`."""

from __future__ import annotations

import argparse

MOST_ROUNDS = 10


def add(command: argparse.ArgumentParser) -> None:
    """Add what is its own; --database-url and --via are every command's."""
    command.add_argument(
        "description", metavar="DESCRIPTION", nargs="?", help="what the migration does"
    )
    command.add_argument("--no-ai", action="store_true", help="empty files, no drafting")
    command.add_argument(
        "--model", metavar="NAME", help="the model that drafts (default: NSELF_AI_MODEL)"
    )
    command.add_argument(
        "--from", dest="from_file", metavar="FILE", help="the description is in FILE, or `-`"
    )
    command.add_argument(
        "--rounds",
        metavar="N",
        type=_rounds,
        default=3,
        help="how often the model may try, told each time what is wrong (default: 3)",
    )
    command.add_argument(
        "--keep-unproven",
        action="store_true",
        help="write the last draft though it fails; `run` refuses it until a line is deleted",
    )
    command.add_argument(
        "--show-prompt", action="store_true", help="print what would be sent; send nothing"
    )
    command.add_argument(
        "--offline", action="store_true", help="ask no model that is not on this machine"
    )
    command.add_argument(
        "--edit", action="store_true", help="open the new files in $VISUAL or $EDITOR"
    )


def _rounds(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"`{text}` is no number of rounds: 1 to {MOST_ROUNDS}")
    return int(text)
