"""The command line: every command, flag and their help. Imports nothing that is slow."""

from __future__ import annotations

import argparse
from typing import NoReturn, TypeAlias

from nself_tasks import __version__, backups_parser, generate_parser, maintenance_parser
from nself_tasks.errors import UsageError

EXIT_CODES = """\
exit codes: 0 done, or nothing to do · 1 failed, blocked, or refused by the state of things
            2 invalid arguments · 3 v1 artifacts found (`detect --strict`) · 130 Ctrl-C
"""

DESCRIPTION = """\
Brings an ɳSelf project to v2 and runs its Postgres migrations: nothing changes that was not
shown, nothing is lost, and every failure says what state things are in.
"""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are UsageErrors, so that they have a JSON form too."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the command's usage line."""
        raise UsageError(
            message,
            hint=f"`{self.prog} --help` lists what there is",
        )


def build() -> argparse.ArgumentParser:
    """Give the parser of `nself migrate`. Its errors raise UsageError."""
    parser = Parser(
        prog="nself migrate",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nself-migrate {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=Parser, required=True
    )
    for add in (
        *(_detect, _run, _rollback, _backups, _status, _generate, _graph, _doit),
        _maintenance,
    ):
        add(commands)
    return parser


_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def _command(commands: _Commands, name: str, summary: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "--project", metavar="DIR", help="the project (default: search upwards from here)"
    )
    command.add_argument(
        "--env", metavar="ENV", help="dev, staging or prod (default: the project's own)"
    )
    command.add_argument("--migrations-dir", metavar="DIR", help="default: backend/migrations")
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command.add_argument("--quiet", action="store_true", help="only results, warnings and errors")
    command.add_argument("--verbose", action="store_true", help="more about every step")
    command.add_argument("--no-color", dest="color", action="store_const", const="never")
    return command


def _database(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--database-url",
        metavar="URL",
        help="the target (default: DATABASE_URL; `embedded` is a Postgres in .nself/postgres)",
    )


def _via(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--via",
        choices=("compose",),
        help="reach the server through the container of the Compose stack's `postgres`",
    )


def _wait(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--wait-for-db",
        metavar="SECONDS",
        type=_seconds,
        default=0.0,
        help="how long to wait for a database that is starting (default: 0)",
    )


def _changing(command: argparse.ArgumentParser) -> None:
    _database(command)
    _wait(command)
    _via(command)
    command.add_argument("--dry-run", action="store_true", help="list the steps, change nothing")
    command.add_argument("--sql", action="store_true", help="with --dry-run: the statements too")
    command.add_argument("--skip-backup", action="store_true", help="no dump before (dev only)")
    command.add_argument("--yes", action="store_true", help="answer questions with yes")
    command.add_argument(
        "--lock-wait",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="how long to wait for another runner (default: 30)",
    )
    command.add_argument(
        "--hasura",
        choices=("auto", "off"),
        default="auto",
        help="reload Hasura's metadata after a change, where the stack has one (default: auto)",
    )
    command.add_argument(
        "--undecided",
        choices=("rerun", "done"),
        help="what to do with a statement of which the catalog cannot tell whether it ran",
    )


def _plugins(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--plugins-dir", metavar="DIR", help="the plugins in this folder, and no project"
    )


def _detect(commands: _Commands) -> None:
    command = _command(commands, "detect", "say what of the project is v1; change nothing")
    command.add_argument("--strict", action="store_true", help="exit 3 when something is v1")
    _plugins(command)


def _run(commands: _Commands) -> None:
    command = _command(commands, "run", "upgrade v1 files and apply all pending migrations")
    _changing(command)
    command.add_argument("--to", metavar="VERSION", type=_version, help="only up to this version")
    command.add_argument("--atomic", action="store_true", help="one transaction for the whole run")
    command.add_argument(
        "--out-of-order", action="store_true", help="apply what is older than the newest applied"
    )
    command.add_argument(
        "--relabel", action="store_true", help="give the database to this environment and project"
    )
    command.add_argument(
        "--files-only", action="store_true", help="upgrade the files, ask no database"
    )
    command.add_argument("--schema-only", action="store_true", help="leave the files alone")
    command.add_argument(
        "--only", metavar="KIND", action="append", default=[], help="upgrade this kind of file"
    )
    command.add_argument(
        "--skip", metavar="KIND", action="append", default=[], help="leave this kind of file alone"
    )
    command.add_argument(
        "--builder",
        choices=("auto", "nself", "builtin"),
        default="auto",
        help="who makes the v2 files: `nself build` of 1.0 or later in a copy, or our own rewriters"
        " (default: nself where its result keeps images and data, else our own)",
    )
    command.add_argument("--diff", action="store_true", help="with --dry-run: what files become")
    _plugins(command)
    command.add_argument(
        "--offline", action="store_true", help="with --dry-run: ask no database, all is pending"
    )


def _rollback(commands: _Commands) -> None:
    command = _command(commands, "rollback", "undo the most recently applied migration")
    _changing(command)
    command.add_argument("--files", action="store_true", help="put the upgraded files back instead")
    command.add_argument("--list", action="store_true", help="list the backups")
    _plugins(command)
    command.add_argument("--backup", metavar="ID", help="with --files: from this backup")
    command.add_argument(
        "--force-files", action="store_true", help="with --files: over files changed since"
    )
    command.add_argument("--steps", metavar="N", type=_steps, help="how many (default: 1)")
    command.add_argument(
        "--to", metavar="VERSION", type=_version, help="undo all above this version"
    )
    command.add_argument(
        "--recorded",
        metavar="VERSION",
        type=_version,
        action="append",
        default=[],
        help="undo this one although it was recorded without being run",
    )
    command.add_argument(
        "--down",
        choices=("file", "history"),
        default="auto",
        help="which down SQL: the file's or the recorded one (else: the file's, if any)",
    )


def _backups(commands: _Commands) -> None:
    command = _command(commands, "backups", "list, show, verify and restore backups")
    backups_parser.add(command, seconds=_seconds)
    _database(command)


def _status(commands: _Commands) -> None:
    command = _command(commands, "status", "every migration with its state")
    _database(command)
    _wait(command)
    _via(command)
    command.add_argument("--strict", action="store_true", help="exit 1 for anything but applied")


def _generate(commands: _Commands) -> None:
    command = _command(commands, "generate", "create a new pair of migration files")
    generate_parser.add(command)
    _database(command)
    _via(command)


def _graph(commands: _Commands) -> None:
    command = _command(commands, "graph", "the task graph; asks no database")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--dot", action="store_true", help="for Graphviz")
    form.add_argument("--mermaid", action="store_true", help="for Mermaid")
    command.add_argument(
        "--check", action="store_true", help="exit 1 with every fault at once (CI)"
    )


def _doit(commands: _Commands) -> None:
    command = _command(commands, "doit", "doit's own commands on this graph: list, info, run …")
    _database(command)
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENTS")


def _maintenance(commands: _Commands) -> None:
    command = _command(
        commands, "maintenance", "enable, disable or status: nginx answers every request with 503"
    )
    # Like `nself maintenance`, where other words are another program's.
    command.prog = command.prog.replace("nself migrate", "nself")
    maintenance_parser.add(command, seconds=_seconds)


def _version(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"`{text}` is not a version: digits, as 20260507120000")
    return int(text)


def _steps(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of migrations: 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of seconds: 0 or more")
    return value
