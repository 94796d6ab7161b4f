"""argv → Settings → one call → Report → stdout, stderr, exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks import delegation, parser, signals
from nself_tasks.errors import NselfError, unexpected
from nself_tasks.model import Report
from nself_tasks.reporting import text
from nself_tasks.reporting.document import dumps, error_object
from nself_tasks.reporting.terminal import Terminal

if TYPE_CHECKING:
    from nself_tasks.settings import Settings

_AFTER_A_STOP = "`nself migrate status` says what state things are in"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code. Every failure ends in a sentence."""
    program = Path(sys.argv[0]).name
    arguments = list(sys.argv[1:] if argv is None else argv)
    ours = delegation.ours(program, arguments)
    if ours is None:
        return delegation.hand_on(arguments)
    terminal, wants_json = Terminal(), "--json" in ours
    name = next((a for a in ours if not a.startswith("-")), "")
    try:
        with signals.as_interrupts():
            options = parser.build().parse_args(_with_command(ours))
            name = options.command
            terminal = _terminal(options)
            report = _call(options, terminal)
    except NselfError as error:
        report = Report(name, error.exit_code, {}, error=error_object(error))
    except KeyboardInterrupt as stopped:
        code = getattr(stopped, "exit_code", 130)
        said = {"code": "interrupted", "message": "stopped", "hint": _AFTER_A_STOP}
        report = Report(name, code, {"database": "unknown"}, error=said)
    except OSError as error:
        failed = NselfError(f"{error.filename or 'a file'}: {error.strerror or error}")
        report = Report(name, 1, {}, error=error_object(failed))
    except Exception as error:
        report = Report(name, 1, {}, error=error_object(unexpected(error)))
    _show(report, terminal, as_json=wants_json)
    return report.exit_code


def _with_command(arguments: list[str]) -> list[str]:
    """Bare `nself migrate`, with flags or without, is `detect`."""
    asks = arguments[:1] in (["-h"], ["--help"], ["--version"])
    named = any(argument in delegation.SUBCOMMANDS for argument in arguments)
    bare = not arguments or (arguments[0].startswith("-") and not asks and not named)
    return ["detect", *arguments] if bare else arguments


def _terminal(options: argparse.Namespace) -> Terminal:
    color = sys.stderr.isatty() and options.color != "never" and not os.environ.get("NO_COLOR")
    return Terminal(quiet=options.quiet, verbose=options.verbose, color=color)


def _settings(options: argparse.Namespace) -> Settings:
    from nself_tasks import settings

    for name in [n for n in os.environ if n.startswith("PG") and not n.startswith("PGSSL")]:
        # libpq would fill the URL's gaps from them, and hit a database that nobody named.
        del os.environ[name]
    return settings.load(vars(options), os.environ, Path.cwd())


def _call(options: argparse.Namespace, terminal: Terminal) -> Report:
    """Call the command with its settings; what it needs is imported here and not before."""
    settings = _settings(options)
    terminal.secrets = _secrets(settings)
    if options.command == "detect":
        from nself_tasks.commands.detect import detect

        return detect(settings, strict=options.strict)
    if options.command == "status":
        from nself_tasks.commands.status import status

        return status(settings, strict=options.strict, notice=terminal.notice)
    if options.command == "generate":
        from nself_tasks.commands.generate import generate

        report = generate(settings, options.description)
        if not options.no_ai:
            terminal.notice("note", "the files are empty: this version drafts no SQL")
        return report
    if options.command == "doit":
        from nself_tasks.commands.doit import doit

        return doit(settings, options.arguments, terminal=terminal)
    return _graph_command(options, settings, terminal)


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Give what no output may show; an env file that cannot be read is the command's to report."""
    try:
        return settings.cascade.secrets
    except NselfError:
        return ()


def _graph_command(options: argparse.Namespace, settings: Settings, terminal: Terminal) -> Report:
    from nself_tasks.commands.execution import execute
    from nself_tasks.commands.plan import dry_run, show_graph
    from nself_tasks.pipeline.options import Options

    if options.command == "graph":
        return show_graph(settings, Options(), check=options.check, notice=terminal.notice)
    _check(options)
    chosen = Options(
        to=options.to,
        steps=getattr(options, "steps", None),
        down=getattr(options, "down", "auto"),
        atomic=getattr(options, "atomic", False),
        skip_backup=options.skip_backup,
        out_of_order=getattr(options, "out_of_order", False),
        relabel=options.relabel,
        lock_wait=options.lock_wait,
        undecided=options.undecided,
        yes=options.yes,
        show_sql=options.sql,
    )
    if options.dry_run:
        offline = getattr(options, "offline", False)
        return dry_run(
            settings, chosen, goal=options.command, notice=terminal.notice, offline=offline
        )
    return execute(settings, chosen, goal=options.command, terminal=terminal)


def _check(options: argparse.Namespace) -> None:
    """Raise UsageError for flags that mean nothing together."""
    from nself_tasks.errors import UsageError

    if getattr(options, "steps", None) and options.to is not None:
        raise UsageError("`--steps` and `--to` say two different things", hint="give one of them")
    for flag in ("sql", "offline"):
        if getattr(options, flag, False) and not options.dry_run:
            raise UsageError(f"`--{flag}` goes with `--dry-run`", hint="add `--dry-run`")


def _show(report: Report, terminal: Terminal, *, as_json: bool) -> None:
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
                print(line)
            sys.stdout.flush()
            for line in text.error(report, color=terminal.color, secrets=terminal.secrets):
                print(line, file=sys.stderr)
    except BrokenPipeError:
        # The reader has gone (`| head`); the work is done all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(report: Report, terminal: Terminal) -> list[str]:
    color = sys.stdout.isatty() and terminal.color
    data = report.data
    if data.get("dry_run"):
        return text.plan(data, color=color, verbose=terminal.verbose)
    if report.error or report.command == "doit":
        return []
    if report.command in ("run", "rollback"):
        return text.execution(data, color=color)
    if report.command == "status":
        return text.status(data, color=color, verbose=terminal.verbose)
    if report.command == "graph":
        return _drawing(report)
    if report.command == "generate":
        return [f"→ Created: {path}" for path in data["created"]]
    return text.detect(data)


def _drawing(report: Report) -> list[str]:
    from nself_tasks.reporting import drawing

    steps = report.data["steps"]
    if "--dot" in sys.argv:
        return [drawing.dot(steps)]
    if "--mermaid" in sys.argv:
        return [drawing.mermaid(steps)]
    if report.data["checked"]:
        return [f"the task graph is sound: {len(steps)} steps"]
    return text.graph(report.data)
