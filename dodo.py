"""The graph for plain doit, and the developers' checks.

In a project:   doit list -f …/dodo.py -d . --all --status
                doit run -f …/dodo.py -d . migrate:apply:20260507142301
In this clone:  doit list, doit (format, lint, types, tests)

Variables come as name=value: env, to, project, database_url. Unlike `nself migrate doit`, plain
doit reads the `pyproject.toml` and the `doit.cfg` of the folder that it runs in.
"""

import atexit
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from doit import get_var

from nself_tasks.errors import NselfError, UsageError
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
    passthrough.refuse_parallel(sys.argv[1:])
    bound = get_var("to")
    if bound and not bound.isdecimal():
        raise UsageError(f"to={bound} is not a version", hint="digits, as to=20260507120000")
    chosen = Options(unfold=True, to=int(bound) if bound else None)
    context = Context(load(options, os.environ, Path.cwd()), chosen, notice=_say)
    stack = ExitStack()
    atexit.register(stack.close)
    for name in [n for n in os.environ if n.startswith("PG") and not n.startswith("PGSSL")]:
        # libpq would fill the URL's gaps from them, and hit a database that nobody named.
        del os.environ[name]
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
        said = [f"error: {error.message}", *(f"  {problem}" for problem in error.problems)]
        print(
            *said, *(["", f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr
        )
        sys.exit(error.exit_code)
    DOIT_CONFIG = passthrough.config(CONTEXT)

    def task_migrate():
        """the steps of `nself migrate run`"""
        yield from graph.steps(CONTEXT)
