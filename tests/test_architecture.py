"""The import rule: arrows point down, doit stays in one room, PURE modules touch nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "nself_tasks"
MODULES = sorted(ROOT.rglob("*.py"))

LAYERS = {
    "cli": 9,
    "__main__": 10,
    "import_path": 8,
    "parser": 8,
    "backups_parser": 8,
    "maintenance_parser": 8,
    "generate_parser": 8,
    "signals": 8,
    "commands": 7,
    "pipeline": 6,
    "database": 5,
    "drafting": 5,
    "settings": 4,
    "targets": 4,
    "database_url": 4,
    "environments": 4,
    "artifact_schemas": 4,
    "storage": 4,
    "records": 4,
    "backup_folder": 4,
    "backup_catalog": 4,
    "backup_manifest": 4,
    "backup_order": 4,
    "file_lock": 4,
    "intent": 4,
    "installation": 4,
    "installable": 4,
    "file_backup": 4,
    "retention": 4,
    "project": 4,
    "evidence": 4,
    "maintenance": 4,
    "gitignore": 4,
    "discovery": 4,
    "acceptance": 4,
    "plugins": 4,
    "delegation": 4,
    "builder": 4,
    "compose_exec": 4,
    "compose_target": 4,
    "hasura": 4,
    "hasura_http": 4,
    "hasura_metadata": 4,
    "project_copy": 4,
    "regeneration": 4,
    "regeneration_checks": 4,
    "reporting": 3,
    "artifacts": 3,
    "lint": 3,
    "migrations": 3,
    "rewriting": 3,
    "secrets": 3,
    "secret_names": 2,
    "model": 1,
    "schema_history": 1,
    "errors": 0,
    "__init__": 0,
}
"""A module imports from its own layer or from one below it."""

PURE = (
    "artifacts",
    "lint",
    "migrations",
    "rewriting",
    "secrets",
    "secret_names",
    "model",
    "schema_history",
    "errors",
)
IMPURE_IMPORTS = {"os", "subprocess", "socket", "psycopg", "doit", "openai", "shutil", "tempfile"}
HEAVY = {"psycopg", "doit", "jsonschema", "openai", "yaml", "sqlparse"}


def layer(name: str) -> str:
    """The part of the package that a module belongs to."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path, *, top_only: bool = False) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import that runs, those for type checking left out."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    if top_only:
        skipped |= {
            id(node)
            for block in ast.walk(tree)
            if isinstance(block, ast.FunctionDef)
            for node in ast.walk(block)
        }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{a.name}" for a in node.names]
            yield from ((node.lineno, name) for name in names)


def dotted(path: Path) -> str:
    return ".".join(("nself_tasks", *path.relative_to(ROOT).with_suffix("").parts))


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_point_down_only(path: Path) -> None:
    own = LAYERS[layer(dotted(path))]
    upwards = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.startswith("nself_tasks.") and LAYERS.get(layer(name), 0) > own
    ]
    assert upwards == []


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_doit_is_imported_in_the_pipeline_only(path: Path) -> None:
    used = [name for _, name in imports(path) if name.split(".")[0] == "doit"]
    assert not used or layer(dotted(path)) == "pipeline"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_psycopg_is_imported_in_the_database_package_only(path: Path) -> None:
    used = [name for _, name in imports(path) if name.split(".")[0] == "psycopg"]
    assert not used or layer(dotted(path)) == "database"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_slow_packages_are_imported_where_they_are_used(path: Path) -> None:
    found = [name for _, name in imports(path, top_only=True) if name.split(".")[0] in HEAVY]
    # The pipeline is itself imported late, and is nothing without doit.
    assert not found or layer(dotted(path)) == "pipeline"


@pytest.mark.parametrize("path", [p for p in MODULES if layer(dotted(p)) in PURE], ids=dotted)
def test_a_pure_module_opens_prints_and_connects_to_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text())
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    roots = {name.split(".")[0] for _, name in imports(path)}
    assert not calls & {"open", "print", "input", "exec", "eval"}
    assert not roots & IMPURE_IMPORTS


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_module_has_at_most_200_lines_a_parser_300(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= (300 if path.name in ("statements.py", "parser.py", "lexer.py") else 200)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_function_has_at_most_40_lines(path: Path) -> None:
    tree = ast.parse(path.read_text())
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 40
    ]
    assert long == []


def test_the_rule_bites(tmp_path: Path) -> None:
    upwards = tmp_path / "model.py"
    upwards.write_text("from nself_tasks.cli import main\n")
    assert [LAYERS[layer(name)] for _, name in imports(upwards)] == [9]
