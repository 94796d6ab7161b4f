"""doit's own command line on our graph: `doit list`, `doit info`, `doit run`.

The project's `pyproject.toml` and `doit.cfg` are not read: they could name plugins to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from doit.cmd_base import TaskLoader2
from doit.doit_cmd import DoitMain

from nself_tasks.errors import ConnectionFailed, UsageError
from nself_tasks.pipeline import engine, graph, opening
from nself_tasks.pipeline.context import Context, Notice
from nself_tasks.pipeline.options import Options

if TYPE_CHECKING:
    from nself_tasks.settings import Settings

LOOKING = ("list", "info", "help", "dumpdb", "tabcompletion")
_PARALLEL = ("--process", "--parallel-type")
_WITH_VALUE = "ofdrv"
"""doit's short options that take a value: the rest of such an argument is no option."""


class _Loader(TaskLoader2):  # type: ignore[misc]
    """Gives doit the tasks of a context."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def load_doit_config(self) -> dict[str, Any]:
        return config(self.context)

    def load_tasks(self, cmd: Any, pos_args: Any) -> list[Any]:
        return engine.build(graph.steps(self.context))


def config(context: Context) -> dict[str, Any]:
    """Give doit's configuration: our journal as its record, the goal as its default."""
    return {
        "backend": "nself-journal",
        "dep_file": context.journal() if context.session else "",
        "default_tasks": [graph.goal(context)],
        "verbosity": 2,
    }


def is_looking(arguments: list[str]) -> bool:
    """Whether these arguments of doit only look."""
    command = next((a for a in arguments if not a.startswith("-")), "run")
    return command in LOOKING or "--help" in arguments or "--version" in arguments


def run(settings: Settings, arguments: list[str], *, notice: Notice) -> int:
    """Run doit with these arguments; gives our exit code. Raises NselfError."""
    refuse_parallel(arguments)
    context = Context(settings, Options(unfold=True), notice=notice)
    with opened(context, looking=is_looking(arguments)):
        doit = DoitMain(_Loader(context), config_filenames=())
        doit.BIN_NAME = "nself migrate doit"
        code = doit.run(arguments)
    return {0: 0, 3: 2}.get(int(code or 0), 1)


def refuse_parallel(arguments: list[str]) -> None:
    """Raise UsageError for doit's parallel options, in every spelling that it takes."""
    if any(_is_parallel(argument) for argument in arguments):
        raise UsageError(
            "migrations run one after the other: doit's parallel options are not for this graph",
            hint="leave out `-n` and `-P`",
        )


def _is_parallel(argument: str) -> bool:
    if argument.startswith("--"):
        # doit takes any beginning of a long option's name.
        name = argument.split("=", 1)[0]
        return len(name) > 3 and any(option.startswith(name) for option in _PARALLEL)
    if not argument.startswith("-"):
        return False
    flags = takewhile(lambda letter: letter not in _WITH_VALUE, argument[1:])
    return any(letter in "nP" for letter in flags)


@contextmanager
def opened(context: Context, *, looking: bool) -> Iterator[Context]:
    """Connect a context: to look, where a database answers; else for a run, with a session."""
    if looking:
        with ExitStack() as stack:
            try:
                stack.enter_context(opening.looking(context))
            except ConnectionFailed as error:
                context.notice("note", f"listed without the database: {error.message}")
            yield context
        return
    with opening.session_for(context):
        yield context
