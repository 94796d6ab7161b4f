"""What `graph --check` says of a file upgrade that could not be taken back."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import v1_projects
from servers_for_tests import Project

from nself_tasks.intent import Entry
from nself_tasks.pipeline import engine, file_order, graph
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.options import Options
from nself_tasks.settings import load

INSTALL = "migrate:install:docker-compose.yml"


@pytest.fixture
def context(project: Project) -> Context:
    v1_projects.write(project.root)
    project.migration("1", "a", "CREATE TABLE a (i int);")
    return Context(load({}, {}, project.root), Options())


@pytest.fixture
def steps(context: Context) -> list[dict[str, Any]]:
    return [
        {**step, "setup": list(step.get("setup", ())), "task_dep": list(step.get("task_dep", ()))}
        for step in graph.steps(context)
    ]


def install(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return next(s for s in steps if f"{s['basename']}:{s.get('name')}" == INSTALL)


def said(steps: list[dict[str, Any]]) -> list[str]:
    return [problem.message for problem in file_order.problems(steps)]


def test_the_graph_of_an_upgrade_is_sound(context: Context) -> None:
    assert graph.problems(context) == []


def test_the_steps_of_an_upgrade_have_no_fault(steps: list[dict[str, Any]]) -> None:
    assert said(steps) == []


@pytest.mark.parametrize(
    ("setup", "what"),
    [("migrate:backup:files", "backup of the files"), ("migrate:intent", "intent")],
)
def test_an_install_without_its_way_back_is_a_fault(
    steps: list[dict[str, Any]], setup: str, what: str
) -> None:
    install(steps)["setup"].remove(setup)
    assert said(steps) == [f"{INSTALL} changes a file without the {what}"]


def test_an_install_before_a_migration_is_a_fault(steps: list[dict[str, Any]]) -> None:
    install(steps)["task_dep"].remove("migrate:apply:1")
    assert said(steps) == [f"{INSTALL} does not come after migrate:apply:1"]


def test_an_install_that_the_record_forgets_is_a_fault(steps: list[dict[str, Any]]) -> None:
    steps = deepcopy([{k: v for k, v in s.items() if k in _PLAIN} for s in steps])
    [record] = [step for step in steps if step["basename"] == "migrate:record"]
    record["task_dep"].remove(INSTALL)
    assert said(steps) == [f"{INSTALL} is not among what migrate:record looks at again"]


_PLAIN = ("basename", "name", "setup", "task_dep", "meta")


def test_a_path_with_signs_that_doit_reads_otherwise_is_a_sound_name(context: Context) -> None:
    odd = [
        Entry(f"sites/{name}.conf", None, "0" * 64, 0o644) for name in ("a=b", "c*", "50%", "é ")
    ]
    context.upgrade = replace(
        context.upgrade, entries=tuple(odd), texts={entry.path: b"" for entry in odd}
    )
    assert graph.problems(context) == []
    ids = [step.id for step in engine.plan(graph.steps(context))]
    assert "migrate:install:sites/a%3Db.conf" in ids
