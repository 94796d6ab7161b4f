"""Every fault of a graph is found, all of them in one run, whatever else is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from servers_for_tests import Project

from nself_tasks.commands.plan import show_graph
from nself_tasks.errors import GraphError
from nself_tasks.pipeline import apply, creation, engine, graph, order, prepare, record, revert
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.options import Options
from nself_tasks.pipeline.steps import Condition, StepDict
from nself_tasks.settings import load

Contexts = Callable[..., Context]
Mutation = Callable[[list[StepDict]], None]


def extra(name: str, **more: Any) -> StepDict:
    """A step that is sound by itself, but that nothing comes after."""
    return {
        "basename": name,
        "actions": [],
        "uptodate": [Condition(lambda: True, "")],
        "meta": {"stage": "other"},
        **more,
    }


def change(**values: Any) -> Mutation:
    """Change the last step that a creator yields."""
    return lambda steps: steps[-1].update(values)


def drop(key: str, value: str | None = None) -> Mutation:
    """Delete a key of the last step, or one value of its list."""

    def mutate(steps: list[StepDict]) -> None:
        if value is None:
            del steps[-1][key]
        else:
            steps[-1][key] = [v for v in steps[-1][key] if v != value]

    return mutate


def add(*more: StepDict) -> Mutation:
    """Put steps before those of a creator."""
    return lambda steps: steps.__setitem__(slice(0, 0), [dict(step) for step in more])


LOCK, BACKUP = "migrate:lock", "migrate:backup:database"
FAULTS: list[tuple[ModuleType, str, Mutation, str]] = [
    (record, "record", change(task_dep=["migrate:apply:3", "no-such"]), "depends on no-such"),
    (apply, "apply", change(calc_dep=["not-there"]), "migrate:apply:3 depends on not-there"),
    (apply, "apply", change(getargs={"x": ("gone", "k")}), "migrate:apply:3 depends on gone"),
    (prepare, "lock", add(extra(LOCK)), "migrate:lock is there twice"),
    (
        creation,
        "create_history",
        add(extra("one", targets=["a/x"]), extra("two", targets=["./a/x"])),
        "./a/x is made by one and by two",
    ),
    (prepare, "history", change(task_dep=["migrate:record"]), "cycle: "),
    (
        apply,
        "apply",
        add(
            extra("left", task_dep=["right"]),
            extra("right", task_dep=["left"]),
            extra("parent", task_dep=["left", "right"]),
        ),
        "cycle: left -> right -> left",
    ),
    (prepare, "lock", change(setup=["x:*"]), "depends on x:*, a wildcard that matches no step"),
    (prepare, "lock", change(file_dep=["no/file"]), "needs the file no/file, which no step makes"),
    (prepare, "lock", change(targets=["../out"]), "makes ../out, which is outside the project"),
    (prepare, "backup", change(targets=["/tmp/out"]), "makes /tmp/out, which is outside"),
    (record, "record", add(extra("lonely")), "lonely cannot be reached from migrate:record"),
    (apply, "apply", change(task_dep=["migrate:history"]), "does not come after migrate:apply:2"),
    (apply, "apply", drop("task_dep"), "migrate:apply:3 does not come after migrate:apply:2"),
    (revert, "revert", drop("task_dep"), "migrate:revert:1 does not come after migrate:revert:2"),
    (record, "record", drop("task_dep"), "migrate:apply:3 cannot be reached"),
    (apply, "commit", drop("task_dep"), "migrate:apply:3 cannot be reached"),
    (apply, "apply", lambda s: s.reverse(), "not in the order of their versions"),
    (apply, "apply", change(name="three"), "the stage apply does not end in a version"),
    (apply, "apply", drop("setup", LOCK), "migrate:apply:3 changes the database without the lock"),
    (apply, "apply", drop("setup", BACKUP), "migrate:apply:3 changes the database without the b"),
    (apply, "apply", drop("setup"), "migrate:apply:3 changes the database without the lock"),
    (revert, "revert", drop("setup", BACKUP), "migrate:revert:1 changes the database without"),
    (creation, "create_history", drop("task_dep"), "create-history changes the database without"),
    (prepare, "backup", drop("task_dep"), "migrate:backup:database is made without the lock"),
    (prepare, "lock", change(meta={"stage": "lock", "x": print}), "`meta` that is not plain data"),
    (prepare, "lock", change(meta=print), "migrate:lock has something in `meta` that is not"),
    (prepare, "lock", drop("meta"), "migrate:lock has no stage in `meta`"),
    (record, "record", drop("uptodate"), "migrate:record has no Condition"),
    (prepare, "begin", drop("uptodate"), "migrate:begin has no Condition"),
    (apply, "apply", change(name="a=b"), "migrate:apply:a=b has `=` in its name"),
    (apply, "apply", change(surprise=1), "migrate:apply:3 is refused by doit"),
    (apply, "apply", change(task_dep="migrate:apply:2"), "migrate:apply:3 is refused by doit"),
    (apply, "apply", change(setup=None), "migrate:apply:3 is refused by doit"),
]


def mutate(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, creator: str, mutation: Mutation
) -> None:
    """Put a fault into a creator's steps; a creator can get several."""
    original = getattr(module, creator)

    def faulty(context: Context) -> Iterator[StepDict]:
        steps = list(original(context))
        if steps:
            mutation(steps)
        yield from steps

    monkeypatch.setattr(module, creator, faulty)


def said(context: Context) -> list[str]:
    return [problem.message for problem in graph.problems(context)]


def identity(fault: tuple[ModuleType, str, Mutation, str]) -> str:
    return f"{fault[1]}: {fault[3]}"


def test_the_graph_as_it_is_has_no_fault(contexts: Contexts) -> None:
    assert said(contexts()) == []


@pytest.mark.parametrize("fault", FAULTS, ids=identity)
def test_a_fault_in_a_creator_is_found(
    contexts: Contexts,
    monkeypatch: pytest.MonkeyPatch,
    fault: tuple[ModuleType, str, Mutation, str],
) -> None:
    module, creator, mutation, expected = fault
    mutate(monkeypatch, module, creator, mutation)
    found = said(contexts())
    assert [message for message in found if expected in message], found


def test_all_faults_are_reported_in_one_run(
    contexts: Contexts, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    independent = [
        (record, "record", change(task_dep=["migrate:apply:3", "no-such"]), "no-such"),
        (prepare, "lock", add(extra(LOCK)), "is there twice"),
        FAULTS[4],
        FAULTS[6],
        (prepare, "backup", change(file_dep=["no/file"], targets=["../out"]), "no/file"),
        (prepare, "backup", drop("uptodate"), "makes ../out"),
        (record, "record", add(extra("lonely", task_dep=["x:*"])), "matches no step"),
        (apply, "apply", change(task_dep=["migrate:apply:1"]), "does not come after"),
        (apply, "apply", drop("setup", BACKUP), "without the backup"),
        (apply, "apply", drop("setup", LOCK), "without the lock"),
        (apply, "apply", change(meta={"stage": "apply", "x": print}), "not plain data"),
        (apply, "apply", drop("uptodate"), "migrate:apply:3 has no Condition"),
        (apply, "apply", add(extra("a=b")), "has `=` in its name"),
        (apply, "apply", change(surprise=1), "is refused by doit"),
    ]
    for module, creator, mutation, _ in independent:
        mutate(monkeypatch, module, creator, mutation)
    context = contexts()
    with pytest.raises(GraphError) as caught:
        show_graph(load({}, {}, project.root), Options(), check=True, notice=lambda *_: None)
    found = [problem.message for problem in caught.value.problems]
    assert [e for *_, e in independent if not any(e in message for message in found)] == []
    assert found == said(context)
    assert caught.value.exit_code == 1


def test_bad_sql_is_listed_beside_the_faults_of_the_graph(
    contexts: Contexts, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts()
    mutate(monkeypatch, record, "record", add(extra("lonely")))
    project.migration("4", "d", "SELECT 'unclosed;")
    with pytest.raises(GraphError) as caught:
        show_graph(load({}, {}, project.root), Options(), check=True, notice=lambda *_: None)
    paths = [problem.path for problem in caught.value.problems]
    assert paths == [None, "backend/migrations/4_d.sql"]


def test_two_cycles_that_share_a_step_are_both_reported(tmp_path: Path) -> None:
    steps = [
        extra("goal", task_dep=["a"]),
        extra("a", task_dep=["b", "c"]),
        extra("b", task_dep=["a"]),
        extra("c", setup=["a"]),
    ]
    found = [p.message for p in order.problems(steps, goal="goal", root=tmp_path)]
    assert sorted(len(m.split(" -> ")) for m in found if m.startswith("cycle")) == [3, 3]


def test_a_step_before_itself_is_a_cycle(tmp_path: Path) -> None:
    found = order.problems([extra("goal", task_dep=["goal"])], goal="goal", root=tmp_path)
    assert [p.message for p in found] == ["cycle: goal -> goal"]


def test_a_graph_without_its_goal_says_so(tmp_path: Path) -> None:
    found = [p.message for p in order.problems([extra("a")], goal="goal", root=tmp_path)]
    assert found == ["there is no goal goal"]


def test_a_file_that_another_step_makes_is_no_missing_file(tmp_path: Path) -> None:
    steps = [extra("goal", task_dep=["a"], file_dep=["made"]), extra("a", targets=["made"])]
    assert order.problems(steps, goal="goal", root=tmp_path) == []


@pytest.mark.parametrize("dependency", ["task_dep", "setup"])
def test_the_engine_refuses_a_cycle_that_makes_doit_raise(dependency: str) -> None:
    steps = [
        extra("goal", task_dep=["a", "b"]),
        extra("a", **{dependency: ["b"]}),
        extra("b", **{dependency: ["a"]}),
    ]
    with pytest.raises(GraphError, match="cycle"):
        engine.plan(steps, goal="goal")
