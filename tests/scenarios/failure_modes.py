"""The table in `docs/failure-modes.md`, made from the tests that prove it.

`python tests/scenarios/failure_modes.py` writes it again.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "failure-modes.md"
HEAD = "| | what happens | what `nself migrate` does | test |\n|---|---|---|---|\n"


class Scenario(NamedTuple):
    """One row: the first paragraph of a test's docstring, and the second."""

    number: str
    happens: str
    does: str
    test: str


def scenarios() -> list[Scenario]:
    """Give the scenario that each test with a number and a docstring proves."""
    found = []
    for path in sorted(Path(__file__).parent.glob("test_s_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if isinstance(node, ast.FunctionDef) and text and node.name.startswith("test_s"):
                happens, _, does = text.partition("\n\n")
                number = node.name.split("_")[1].upper()
                found.append(Scenario(number, _line(happens), _line(does), node.name))
    return sorted(found)


def table() -> str:
    """Give the table as the page shows it."""
    return HEAD + "".join(
        f"| {s.number} | {s.happens} | {s.does} | `{s.test}` |\n" for s in scenarios()
    )


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def page_with(shown: str) -> str:
    """Give the text of the page around a table."""
    text = PAGE.read_text(encoding="utf-8")
    start = text.index(HEAD)
    end = text.index("\n\n", start) + 1
    return text[:start] + shown + text[end:]


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), encoding="utf-8")
