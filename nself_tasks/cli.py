"""argv → Settings → one call → Report → stdout, stderr, exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks import delegation, import_path, parser, signals
from nself_tasks.errors import NselfError, unexpected

# What `--help` does not need is imported in the functions: half of its time went there.
if TYPE_CHECKING:
    from nself_tasks.model import Report
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings

_AFTER_A_STOP = "`nself migrate status` says what state things are in"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code. Every failure ends in a sentence."""
    import_path.without_current_folder()
    program = Path(sys.argv[0]).name
    arguments = list(sys.argv[1:] if argv is None else argv)
    ours = delegation.ours(program, arguments)
    if ours is None:
        return delegation.hand_on(arguments)
    try:
        with signals.as_interrupts():
            return _answered(ours)
    except KeyboardInterrupt as again:
        # Whoever asks twice to stop does not want to hear what became of it.
        return getattr(again, "exit_code", 130)


def _answered(arguments: list[str]) -> int:
    from nself_tasks.reporting.output import show

    terminal, name = None, next((a for a in arguments if not a.startswith("-")), "")
    try:
        options = parser.build().parse_args(_with_command(arguments))
        name = options.command
        terminal = _terminal(options)
        report = _call(options, terminal)
    except (Exception, KeyboardInterrupt) as error:
        report = _failed(name, error)
    show(report, terminal or _plain_terminal(), as_json="--json" in arguments)
    return report.exit_code


def _failed(name: str, error: BaseException) -> Report:
    """Give the report of a command that ended with an exception."""
    from nself_tasks.model import Report
    from nself_tasks.reporting.document import error_object

    if isinstance(error, KeyboardInterrupt):
        code = getattr(error, "exit_code", 130)
        said = error_object(NselfError("stopped", hint=_AFTER_A_STOP)) | {"code": "interrupted"}
        return Report(name, code, {"database": "unknown"}, error=said)
    if not isinstance(error, NselfError):
        error = unexpected(error)
    return Report(name, error.exit_code, {}, error=error_object(error))


def _with_command(arguments: list[str]) -> list[str]:
    """Bare `nself migrate`, with flags or without, is `detect`."""
    asks = arguments[:1] in (["-h"], ["--help"], ["--version"])
    named = any(argument in delegation.SUBCOMMANDS for argument in arguments)
    bare = not arguments or (arguments[0].startswith("-") and not asks and not named)
    return ["detect", *arguments] if bare else arguments


def _plain_terminal() -> Terminal:
    from nself_tasks.reporting.terminal import Terminal

    return Terminal()


def _terminal(options: argparse.Namespace) -> Terminal:
    from nself_tasks.reporting.terminal import Terminal

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
    from nself_tasks.storage import shown_backups

    settings = _settings(options)
    terminal.secrets = settings.secrets
    terminal.backups = shown_backups(settings.project)
    if options.command == "detect":
        from nself_tasks.commands.detect import detect

        return detect(settings, strict=options.strict, notice=terminal.notice)
    if options.command == "status":
        from nself_tasks.commands.status import status

        return status(
            settings,
            strict=options.strict,
            notice=terminal.notice,
            wait_for_db=options.wait_for_db,
        )
    if options.command == "generate":
        from nself_tasks.commands.generate_flags import generate_command

        return generate_command(settings, options, terminal)
    if options.command == "maintenance":
        from nself_tasks.commands.maintenance_flags import maintenance

        return maintenance(options, settings, terminal.notice)
    if options.command == "doit":
        from nself_tasks.commands.doit import doit

        return doit(settings, options.arguments, terminal=terminal)
    if options.command == "backups":
        from nself_tasks.commands.backups import backups

        return backups(settings, options, terminal)
    return _graph_command(options, settings, terminal)


def _graph_command(options: argparse.Namespace, settings: Settings, terminal: Terminal) -> Report:
    from nself_tasks.commands import flags
    from nself_tasks.commands.execution import execute
    from nself_tasks.commands.plan import dry_run, show_graph
    from nself_tasks.pipeline.options import Options

    if options.command == "graph":
        return show_graph(settings, Options(), check=options.check, notice=terminal.notice)
    flags.check(options)
    if options.command == "rollback" and (options.files or options.list):
        from nself_tasks.commands.files_rollback import list_backups, roll_back_files

        if options.list:
            return list_backups(settings)
        return roll_back_files(
            settings,
            backup=options.backup,
            force=options.force_files,
            dry_run=options.dry_run,
            terminal=terminal,
            lock_wait=options.lock_wait,
        )
    chosen = flags.chosen(options)
    if options.dry_run:
        offline = getattr(options, "offline", False)
        return dry_run(
            settings,
            chosen,
            goal=options.command,
            notice=terminal.notice,
            offline=offline,
            diff=getattr(options, "diff", False),
        )
    return execute(settings, chosen, goal=options.command, terminal=terminal)
