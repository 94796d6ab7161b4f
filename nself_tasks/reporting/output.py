"""What a command ends with: its result on stdout, its error on stderr."""

from __future__ import annotations

import io
import os
import sys

from nself_tasks.model import Report
from nself_tasks.reporting import (
    backups_text,
    drawing,
    generate_text,
    maintenance_text,
    plan_text,
    text,
)
from nself_tasks.reporting.document import dumps
from nself_tasks.reporting.harmless import harmless, in_json
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
    for stream in (sys.stdout, sys.stderr):
        # A name that is not UTF-8, or a terminal that is not, must not end in a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if as_json:
            print(in_json(dumps(report, terminal.secrets)))
        else:
            for line in _lines(report, terminal):
                # A difference or a statement may hold a password that somebody wrote into SQL.
                print(harmless(mask(line, terminal.secrets), color=terminal.color))
            sys.stdout.flush()
            for line in text.error(report, color=terminal.color, secrets=terminal.secrets):
                print(harmless(line, color=terminal.color), file=sys.stderr)
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
    if report.command == "backups":
        return backups_text.lines(data, backups=terminal.backups)
    if data.get("goal") in ("list", "rollback-files"):
        return text.files_rollback(data, backups=terminal.backups)
    if report.command in ("run", "rollback"):
        return text.execution(data, color=color, backups=terminal.backups)
    if report.command == "status":
        return text.status(data, color=color, verbose=terminal.verbose)
    if report.command == "maintenance":
        return maintenance_text.maintenance(data, verbose=terminal.verbose)
    if report.command == "graph":
        return _drawing(report)
    if report.command == "generate":
        return generate_text.generated(data, color=color, on_terminal=sys.stdout.isatty())
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
