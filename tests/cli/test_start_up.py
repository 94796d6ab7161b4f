"""Start-up: what is slow to import is imported by the commands that need it, and by no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from servers_for_tests import Project

SLOW = {"psycopg", "doit", "openai", "jsonschema", "yaml", "sqlparse"}
AFTERWARDS = """
import json, sys
from nself_tasks.cli import main
code = None
try:
    code = main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print(json.dumps([code, sorted({name.split(".")[0] for name in sys.modules})]))
"""
QUICK: list[tuple[tuple[str, ...], int]] = [
    (("migrate", "--help"), 0),
    (("migrate", "--version"), 0),
    (("migrate", "run", "--help"), 0),
    (("migrate", "status"), 1),
    (("migrate", "status", "--json"), 1),
    (("migrate", "generate", "--no-ai", "add a table"), 0),
    (("migrate", "generate", "--no-ai", ""), 2),
    (("migrate", "no-such-command"), 2),
]


def after(project: Project, *arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command, and the packages that it had imported at its end."""
    ended = subprocess.run(
        [sys.executable, "-c", AFTERWARDS, *arguments],
        cwd=project.root,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(ended.stdout.splitlines()[-1])
    return code, set(modules)


@pytest.mark.parametrize(("arguments", "code"), QUICK, ids=lambda value: str(value))
def test_a_quick_command_imports_nothing_slow(
    project: Project, arguments: tuple[str, ...], code: int
) -> None:
    ended, modules = after(project, *arguments)
    assert ended == code
    assert modules & SLOW == set()


def test_detect_reads_yaml_and_nothing_else_that_is_slow(project: Project) -> None:
    code, modules = after(project, "migrate", "detect")
    assert (code, modules & SLOW) == (0, {"yaml"})


def test_detect_reads_no_yaml_of_a_stack_that_is_not_ours(project: Project) -> None:
    project.write("docker-compose.yml", "services:\n  web:\n    image: nginx\n")
    code, modules = after(project, "migrate", "detect")
    assert (code, modules & SLOW) == (0, set())


def test_the_graph_needs_doit_but_no_database_driver(project: Project) -> None:
    project.migration("1", "a", "SELECT 1;")
    code, modules = after(project, "migrate", "graph", "--check")
    assert code == 0
    assert modules & SLOW == {"doit", "yaml"}


def test_a_plan_and_a_run_ask_no_model(project: Project) -> None:
    project.migration("1", "a", "SELECT 1;")
    code, modules = after(project, "migrate", "run", "--dry-run", "--offline")
    assert code == 0
    assert modules & SLOW == {"doit", "yaml"}
