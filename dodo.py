"""The graph for plain doit, and the developers' checks.

In a project:   doit -f …/dodo.py -d . list --all --status
                doit -f …/dodo.py -d . run migrate:apply:20260507142301
In this clone:  doit list, doit (format, lint, types, tests)

Variables come as name=value: env, to, project, database_url.
"""

import atexit
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from doit import get_var

from nself_tasks.errors import NselfError
from nself_tasks.pipeline import graph, passthrough
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.options import Options
from nself_tasks.settings import load

HERE = Path(__file__).resolve().parent
IN_CLONE = Path.cwd() == HERE and (HERE / "pyproject.toml").is_file()


def _say(level: str, text: str) -> None:
    print(f"{level}: {text}", file=sys.stderr)


def _context() -> Context:
    """The project around the current folder, connected as `nself migrate doit` connects it."""
    names = ("env", "project", "database_url")
    options = {name: get_var(name) for name in names if get_var(name)}
    bound = get_var("to")
    chosen = Options(unfold=True, to=int(bound) if bound else None)
    context = Context(load(options, os.environ, Path.cwd()), chosen, notice=_say)
    stack = ExitStack()
    atexit.register(stack.close)
    stack.enter_context(passthrough.opened(context, looking=passthrough.is_looking(sys.argv[1:])))
    return context


if IN_CLONE:
    DOIT_CONFIG = {"default_tasks": ["format", "lint", "types", "tests"], "verbosity": 2}

    def task_format():
        """is everything formatted"""
        return {"actions": ["ruff format --check ."], "uptodate": [False]}

    def task_lint():
        """ruff"""
        return {"actions": ["ruff check ."], "uptodate": [False]}

    def task_types():
        """mypy, strict"""
        return {"actions": ["mypy"], "uptodate": [False]}

    def task_tests():
        """all tests"""
        return {"actions": ["python -m pytest"], "uptodate": [False]}
else:
    try:
        CONTEXT = _context()
    except NselfError as error:
        sys.exit(f"error: {error.message}" + (f"\n\nhint: {error.hint}" if error.hint else ""))
    DOIT_CONFIG = passthrough.config(CONTEXT)

    def task_migrate():
        """the steps of `nself migrate run`"""
        yield from graph.steps(CONTEXT)
