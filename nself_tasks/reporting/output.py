"""What a command ends with: its result on stdout, its error on stderr."""

from __future__ import annotations

import os
import sys

from nself_tasks.model import Report
from nself_tasks.reporting import drawing, plan_text, text
from nself_tasks.reporting.document import dumps
from nself_tasks.reporting.terminal import Terminal
from nself_tasks.secrets import mask


def show(report: Report, terminal: Terminal, *, as_json: bool) -> None:
    """Print the result to stdout and the error to stderr."""
    report = Report(
        report.command,
        report.exit_code,
        report.data,
        messages=(*report.messages, *terminal.messages),
        error=report.error,
    )
    try:
        if as_json:
            print(dumps(report, terminal.secrets))
        else:
            for line in _lines(report, terminal):
                # A difference or a statement may hold a password that somebody wrote into SQL.
                print(mask(line, terminal.secrets))
            sys.stdout.flush()
            for line in text.error(report, color=terminal.color, secrets=terminal.secrets):
                print(line, file=sys.stderr)
    except OSError as error:
        # The reader has gone (`| head`), or the disk is full; the work is done all the same.
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"error: the result could not be written: {error.strerror}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(report: Report, terminal: Terminal) -> list[str]:
    color = sys.stdout.isatty() and terminal.color
    data = report.data
    if data.get("dry_run"):
        return plan_text.plan(data, color=color, verbose=terminal.verbose)
    if report.error or report.command == "doit":
        return []
    if data.get("goal") in ("list", "rollback-files"):
        return text.files_rollback(data)
    if report.command in ("run", "rollback"):
        return text.execution(data, color=color)
    if report.command == "status":
        return text.status(data, color=color, verbose=terminal.verbose)
    if report.command == "graph":
        return _drawing(report)
    if report.command == "generate":
        return [f"→ Created: {path}" for path in data["created"]]
    return text.detect(data, verbose=terminal.verbose)


def _drawing(report: Report) -> list[str]:
    steps = report.data["steps"]
    if "--dot" in sys.argv:
        return [drawing.dot(steps)]
    if "--mermaid" in sys.argv:
        return [drawing.mermaid(steps)]
    if report.data["checked"]:
        return [f"the task graph is sound: {len(steps)} steps"]
    return text.graph(report.data)
