"""The engine: plan and run come from doit's dispatcher, and every failure stays a failed step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers_for_tests import Project

from nself_tasks.errors import GraphError, HistoryError
from nself_tasks.model import StepStatus
from nself_tasks.pipeline import engine, graph
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.options import Options
from nself_tasks.pipeline.reporter import EventReporter
from nself_tasks.pipeline.steps import Call, Condition, StepDict
from nself_tasks.settings import load


def step(name: str, *after: str, test: Callable[[], bool] = lambda: False, **more: Any) -> StepDict:
    return {
        "basename": name,
        "actions": [Call(lambda: None)],
        "task_dep": list(after),
        "uptodate": [Condition(test, f"why {name}")],
        "meta": {"stage": name},
        **more,
    }


def failing(error: BaseException) -> Callable[[], bool]:
    def raise_it() -> bool:
        raise error

    return raise_it


def executed(steps: list[StepDict], journal: Path) -> tuple[engine.Outcome, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    outcome = engine.execute(steps, EventReporter(events.append), str(journal), goal="goal")
    return outcome, events


@pytest.mark.parametrize("error", [HistoryError("edited"), ValueError("a bug")], ids=repr)
def test_a_condition_that_raises_fails_its_step_and_stops_the_run(
    tmp_path: Path, error: Exception
) -> None:
    steps = [step("first", test=failing(error)), step("goal", "first")]
    outcome, _ = executed(steps, tmp_path / "journal")
    assert (outcome.failed_step, outcome.cause) == ("first", error)
    assert [(s["id"], s["status"]) for s in outcome.steps] == [("first", "failed")]


@pytest.mark.parametrize("error", [HistoryError("edited"), ValueError("a bug")], ids=repr)
def test_a_condition_that_raises_blocks_its_step_and_what_comes_after(error: Exception) -> None:
    steps = [
        step("first", test=failing(error)),
        step("prepared"),
        step("goal", "first", setup=["prepared"]),
    ]
    plan = engine.plan(steps, goal="goal")
    # what is only needed by a blocked step would not run either
    assert [(s.id, s.status) for s in plan] == [
        ("first", StepStatus.BLOCKED),
        ("goal", StepStatus.BLOCKED),
    ]
    assert str(error) in plan[0].reasons[0]


def test_a_setup_step_that_is_blocked_blocks_the_step_that_needs_it() -> None:
    steps = [step("prepared", test=failing(HistoryError("no"))), step("goal", setup=["prepared"])]
    assert [s.status for s in engine.plan(steps, goal="goal")] == [StepStatus.BLOCKED] * 2


def test_an_action_that_raises_keeps_its_exception(tmp_path: Path) -> None:
    error = HistoryError("gone")
    outcome, _ = executed([step("goal", actions=[Call(failing(error))])], tmp_path / "journal")
    assert outcome.cause is error


def test_ctrl_c_in_a_condition_stops_the_run_at_that_step(tmp_path: Path) -> None:
    stop = KeyboardInterrupt()
    steps = [step("first"), step("goal", "first", test=failing(stop))]
    outcome, _ = executed(steps, tmp_path / "journal")
    assert (outcome.failed_step, outcome.interrupted) == ("goal", stop)
    assert [(s["id"], s["status"]) for s in outcome.steps] == [("first", "done")]


def test_a_step_is_said_to_be_done_after_it_was_done(tmp_path: Path) -> None:
    said: list[str] = []
    steps = [step("goal", actions=[Call(lambda: said.append("acted"))])]
    reporter = EventReporter(lambda event: said.append(event["event"]))
    engine.execute(steps, reporter, str(tmp_path / "journal"), goal="goal")
    assert said == ["begin", "acted", "end"]


def test_setup_steps_run_only_where_a_step_runs(tmp_path: Path) -> None:
    steps = [step("prepared"), step("goal", setup=["prepared"], test=lambda: True)]
    assert [s.id for s in engine.plan(steps, goal="goal")] == ["goal"]
    outcome, _ = executed(steps, tmp_path / "journal")
    assert [s["id"] for s in outcome.steps] == ["goal"]


def test_an_input_that_a_planned_step_makes_is_a_reason_to_run() -> None:
    steps = [
        step("first", targets=["made"]),
        step("goal", "first", file_dep=["made"], test=lambda: True),
    ]
    goal = engine.plan(steps, goal="goal")[-1]
    assert (goal.status, goal.reasons) == (StepStatus.RUN, ("input made is made by first",))


def test_planning_executes_nothing() -> None:
    steps = [step("goal", actions=[Call(failing(AssertionError("was executed")))])]
    assert [s.status for s in engine.plan(steps, goal="goal")] == [StepStatus.RUN]


def test_a_graph_without_its_goal_is_refused() -> None:
    with pytest.raises(GraphError, match="no step goal"):
        engine.plan([step("other")], goal="goal")


def test_ten_thousand_migrations_are_planned_each_asked_once(project: Project) -> None:
    for number in range(1, 10_001):
        project.migration(f"{number:05}", "t", "SELECT 1;")
    context = Context(load({}, {}, project.root), Options())
    asked: list[str] = []

    def counted() -> list[StepDict]:
        found = list(graph.steps(context))
        for one in found:
            (question,) = one["uptodate"]
            question.test = lambda test=question.test, one=one: asked.append(one["doc"]) or test()
        return found

    plan = engine.plan(counted())
    assert [s.id for s in plan if s.stage == "apply"] == [
        f"migrate:apply:{number:05}" for number in range(1, 10_001)
    ]
    assert len(asked) == len(plan) == 10_006
