"""nginx's configuration is read as nginx reads it; crossplane says the same."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import crossplane
import nginx_projects as projects
import pytest

from nself_tasks.errors import Problem
from nself_tasks.rewriting.nginx_tokens import Directive, read, walk

TEXTS = [
    *projects.late().values(),
    *projects.early().values(),
    'a b;c d { e; } # f { \n g \'h;{\' "i\\"" j#k;',
    "location ~ ^/a\\.b$ { }",
    "set $a ${b}c; proxy_pass http://${d}:1;",
    "a '' \"\";",
    "a b\\ c; log_format x '{\"a\": \"$b\"}' '$c';",
]


def tree(found: tuple[Directive, ...]) -> list[Any]:
    return [(d.name, list(d.values()), None if d.block is None else tree(d.block)) for d in found]


def crossplanes(found: list[dict[str, Any]]) -> list[Any]:
    return [
        (
            d["directive"],
            # it leaves escapes as they are written
            [re.sub(r"\\([\"'\\])", r"\1", a).replace("\\n", "\n") for a in d["args"]],
            crossplanes(d["block"]) if "block" in d else None,
        )
        for d in found
    ]


@pytest.mark.parametrize("text", [t for t in TEXTS if "services:" not in t and "PROJECT" not in t])
def test_is_read_as_crossplane_does(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text(text)
    other = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False)
    found = read(text)
    assert not isinstance(found, Problem)
    assert tree(found) == crossplanes(other["config"][0]["parsed"])


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a;\n}\n", 2, "unexpected `}`"),
        ("a {\n b }\n", 2, "unexpected `}`"),
        (";", 1, "unexpected `;`"),
        ("\n{ }", 2, "unexpected `{`"),
        ("a b", 1, "`a` is never ended"),
        ("a {\n b;\n", 1, "`a` is never ended"),
        ("a;\nb 'c;\n", 2, "a quote"),
        ("a 'b'c;", 1, "text right after a closing quote"),
        ("a b\\", 1, "a quote or an escape"),
        ("a {" * 60, 1, "nested too deeply"),
    ],
)
def test_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    found = read(text)
    assert isinstance(found, Problem)
    assert (found.line, why in found.message) == (line, True)


def test_spans_slice_back_to_what_is_written() -> None:
    text = "\ufeff# x\r\na {\r\n  b 'c d' e;\r\n}\r\n"
    found = read(text)
    assert not isinstance(found, Problem)
    [outer, inner] = [directive for directive, _ in walk(found)]
    assert text[outer.start : outer.end] == "a {\r\n  b 'c d' e;\r\n}"
    assert [text[w.start : w.end] for w in inner.args] == ["'c d'", "e"]
    assert (outer.line, inner.line) == (2, 3)


@pytest.mark.parametrize("text", ["a {" * 300_000, "a;" * 300_000, "'" * 500_000, "$" * 900_000])
def test_reading_takes_no_more_than_linear_time(text: str) -> None:
    began = time.process_time()
    read(text)
    assert time.process_time() - began < 5
