"""Every sentence in the tables of docs/security.md names a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "security.md"
ROW = re.compile(r"^\| (?!what )(?P<sentence>[^|]+) \| (?P<test>[^|]*) \|$", re.MULTILINE)
ROWS = [(row["sentence"], row["test"]) for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))]


def test_the_page_has_sentences_and_every_row_of_it_is_one() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "| test |" not in line]
    assert len(rows) == len(ROWS) > 25
    assert not [line for line in lines if line.startswith(("- ", "* ", "1."))]


@pytest.mark.parametrize(("sentence", "test"), ROWS, ids=[sentence[:50] for sentence, _ in ROWS])
def test_a_sentence_has_its_test(sentence: str, test: str) -> None:
    file, _, name = test.strip("`").partition("::")
    [path] = TESTS.rglob(file)
    functions = {
        node.name: node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert name in functions, f"{sentence}: no test {test}"
    assert "pytest.mark.skip(" not in ast.unparse(functions[name])
