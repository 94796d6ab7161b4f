"""`generate` from its flags: where the description is, and whether a model drafts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks.commands.generate import generate
from nself_tasks.errors import UsageError

if TYPE_CHECKING:
    from nself_tasks.model import Report
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings

_LARGEST_FILE = 100_000
_OF_DRAFTS = ("show_prompt", "keep_unproven")


def generate_command(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> Report:
    """Create a pair of files, drafted where the ai plugin is installed. Raises UsageError."""
    description = _description(options)
    if options.no_ai:
        for name in _OF_DRAFTS:
            if getattr(options, name):
                flag = name.replace("_", "-")
                raise UsageError(
                    f"`--no-ai` and `--{flag}` contradict each other", hint="give one of them"
                )
        report = generate(settings, _title(description))
    else:
        from nself_tasks.commands.drafts import drafted

        made = drafted(settings, description, options, terminal)
        report = generate(settings, _title(description)) if made is None else made
    if options.edit and report.data["created"]:
        from nself_tasks.commands.editing import edit

        edit(settings, report, terminal)
    return report


def _title(description: str) -> str:
    """Give what the empty files are called after: of a long text its first line."""
    lines = [line for line in description.splitlines() if line.strip()]
    long = len(description) > 1000 and len(lines) > 1
    return lines[0] if long else description


def _description(options: argparse.Namespace) -> str:
    """Give the words of the command line, or of the file. Raises UsageError."""
    if options.from_file is None:
        if options.description is None:
            raise UsageError(
                "the description is missing",
                hint='say what changes: `generate "add orders table"`, or `--from FILE`',
            )
        return str(options.description)
    if options.description is not None:
        raise UsageError(
            "`--from` and a description on the command line are two", hint="give one of them"
        )
    try:
        if options.from_file == "-":
            raw = sys.stdin.buffer.read(_LARGEST_FILE + 1)
        else:
            with Path(options.from_file).open("rb") as file:
                raw = file.read(_LARGEST_FILE + 1)
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"the description in `{options.from_file}` cannot be read: {why}",
            hint="correct `--from`",
        ) from error
    if len(raw) > _LARGEST_FILE:
        raise UsageError(f"`{options.from_file}` is larger than 100 kB", hint="say it shorter")
    return text
