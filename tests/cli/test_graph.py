"""`graph`: the task graph without a database, as text, DOT, Mermaid and JSON, and its check."""

from __future__ import annotations

import re

import pytest
from observation import violations
from servers_for_tests import Nself, Project

DOT_ID = r'"(?:[^"\\]|\\.)*"'
DOT_ATTRIBUTES = rf"(?: \[\w+=(?:\w+|{DOT_ID})\])?"
DOT_STATEMENT = re.compile(
    rf"  (?:\w+=\w+|node \[\w+=\w+\]|({DOT_ID})(?: -> ({DOT_ID}))?{DOT_ATTRIBUTES});"
)
MERMAID_STATEMENT = re.compile(r'  (?:(s\d+)\["[^"]*"\]|(s\d+) (?:-->|-\.->) (s\d+))')
ODD_NAME = 'a"b]\\c;d--e'


@pytest.fixture(autouse=True)
def two(project: Project) -> None:
    project.migration("1", "a", "CREATE TABLE a (i int);", "DROP TABLE a;")
    project.migration("2", ODD_NAME, "CREATE TABLE b (i int);", "DROP TABLE b;")


def test_the_json_is_as_its_schema_says(nself_offline: Nself) -> None:
    document = nself_offline("graph", "--json").json()
    assert violations(document, "graph") == []
    assert document["steps"][-1]["id"] == document["goal"] == "migrate:record"


def test_the_text_gives_each_step_and_what_it_comes_after(nself_offline: Nself) -> None:
    lines = nself_offline("graph").out.splitlines()
    assert "migrate:history" in lines
    assert any(line.startswith("migrate:apply:2  ◄ migrate:apply:1, ") for line in lines)


def test_the_dot_is_of_graphviz_grammar_and_has_every_edge(nself_offline: Nself) -> None:
    first, *lines, last = nself_offline("graph", "--dot").out.strip().split("\n")
    matches = [DOT_STATEMENT.fullmatch(line) for line in lines]
    assert (first, last) == ("digraph migrate {", "}")
    assert [line for line, match in zip(lines, matches, strict=True) if not match] == []
    nodes = {m[1] for m in matches if m and m[1] and not m[2]}
    edges = [(m[1], m[2]) for m in matches if m and m[2]]
    assert ('"migrate:apply:1"', '"migrate:apply:2"') in edges
    assert {name for edge in edges for name in edge} == nodes


def test_the_mermaid_is_a_flowchart_and_has_every_edge(nself_offline: Nself) -> None:
    first, *lines = nself_offline("graph", "--mermaid").out.strip().split("\n")
    matches = [MERMAID_STATEMENT.fullmatch(line) for line in lines]
    assert first == "flowchart LR"
    assert [line for line, match in zip(lines, matches, strict=True) if not match] == []
    nodes = {m[1] for m in matches if m and m[1]}
    edges = [name for m in matches if m and m[2] for name in (m[2], m[3])]
    assert set(edges) == nodes


def test_every_form_has_the_same_number_of_edges(nself_offline: Nself) -> None:
    steps = nself_offline("graph", "--json").json()["steps"]
    edges = sum(len(step["after"]) + len(step["setup"]) for step in steps)
    assert nself_offline("graph", "--dot").out.count(" -> ") == edges
    mermaid = nself_offline("graph", "--mermaid").out
    assert mermaid.count(" --> ") + mermaid.count(" -.-> ") == edges


def test_a_sound_graph_is_said_to_be_sound(nself_offline: Nself) -> None:
    result = nself_offline("graph", "--check")
    assert (result.code, result.out) == (0, "the task graph is sound: 8 steps\n")


def test_check_lists_every_bad_sql_file_at_once_without_a_database(
    project: Project, nself_offline: Nself
) -> None:
    project.migration("3", "c", "SELECT 'unclosed;", "DROP TABLE c;")
    project.migration("4", "d", "CREATE TABLE d (i int);", "\\connect elsewhere\nSELECT 1;")
    project.migration("5", "e", "PREPARE TRANSACTION 'x';", "DROP TABLE e;")
    result = nself_offline("graph", "--check", "--json")
    assert result.code == 1
    assert violations(result.json(), "error") == []
    assert [(p["path"], p["line"]) for p in result.json()["error"]["problems"]] == [
        ("backend/migrations/3_c.sql", 1),
        ("backend/migrations/4_d.down.sql", 1),
        ("backend/migrations/5_e.sql", 1),
    ]


def test_check_lists_every_badly_named_file_at_once(project: Project, nself_offline: Nself) -> None:
    project.write("backend/migrations/wrong.sql", "SELECT 1;")
    project.write("backend/migrations/9_x.down.sql", "SELECT 1;")
    result = nself_offline("graph", "--check", "--json")
    assert result.code == 1
    assert len(result.json()["error"]["problems"]) == 2


def test_a_project_without_a_migration_has_a_sound_graph(
    project: Project, nself_offline: Nself
) -> None:
    for path in project.migrations.iterdir():
        path.unlink()
    assert nself_offline("graph", "--check").out == "the task graph is sound: 2 steps\n"
