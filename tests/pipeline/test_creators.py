"""What each creator says of its step: what it comes after, what it needs, when it is done."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from servers_for_tests import Project

from nself_tasks.errors import HistoryError
from nself_tasks.pipeline import claim, graph
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.options import Reversal
from nself_tasks.pipeline.steps import Condition, StepDict

Contexts = Callable[..., Context]
LOCK, BACKUP, BEGIN = "migrate:lock", "migrate:backup:database", "migrate:begin"
PREFLIGHT, COUNT_LOSSES = "migrate:preflight", "migrate:count-losses"
CREATE, HISTORY, COMMIT = "migrate:create-history", "migrate:history", "migrate:commit"


def steps(context: Context) -> dict[str, StepDict]:
    found = {}
    for step in graph.steps(context):
        name = f":{step['name']}" if "name" in step else ""
        found[step["basename"] + name] = step
    return found


def rollback(contexts: Contexts, **options: Any) -> Context:
    """A context that rolls back the second and the first of three migrations."""
    context = contexts(applied=2, goal="rollback", steps=2, **options)
    rows = reversed(context.history.rows)
    context.reversals = tuple(Reversal(context.migrations[row.number - 1], row) for row in rows)
    return context


def condition(context: Context, step: str) -> Condition:
    """The one Condition of a step."""
    (found,) = steps(context)[step]["uptodate"]
    assert isinstance(found, Condition)
    return found


DEPENDENCIES: list[tuple[str, dict[str, Any], list[str]]] = [
    (HISTORY, {}, []),
    (PREFLIGHT, {}, [HISTORY]),
    (LOCK, {}, [PREFLIGHT]),
    (BACKUP, {}, [LOCK]),
    (BEGIN, {"atomic": True}, [LOCK, BACKUP]),
    (BEGIN, {"atomic": True, "skip_backup": True}, [LOCK]),
    (CREATE, {}, [LOCK, BACKUP]),
    (CREATE, {"skip_backup": True}, [LOCK]),
    (CREATE, {"atomic": True}, [LOCK, BACKUP, BEGIN]),
    ("migrate:apply:1", {}, [HISTORY]),
    ("migrate:apply:2", {}, ["migrate:apply:1"]),
    ("migrate:apply:3", {}, ["migrate:apply:2"]),
    ("migrate:apply:2", {"applied": 1}, [HISTORY]),
    ("migrate:apply:2", {"applied": 1, "unfold": True}, ["migrate:apply:1"]),
    (COMMIT, {"atomic": True}, ["migrate:apply:3"]),
    (COMMIT, {"atomic": True, "to": 2}, ["migrate:apply:2"]),
    ("migrate:record", {}, ["migrate:apply:3"]),
    ("migrate:record", {"to": 1}, ["migrate:apply:1"]),
    ("migrate:record", {"atomic": True}, [COMMIT]),
    ("migrate:record", {"applied": 3}, [HISTORY]),
    ("migrate:record", {"applied": 3, "unfold": True}, ["migrate:apply:3"]),
    ("migrate:record", {"unfold": True, "to": 2}, ["migrate:apply:2"]),
]


@pytest.mark.parametrize(("step", "given", "expected"), DEPENDENCIES, ids=str)
def test_a_step_of_a_run_comes_after(
    contexts: Contexts, step: str, given: dict[str, Any], expected: list[str]
) -> None:
    assert steps(contexts(**given))[step].get("task_dep", []) == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("migrate:revert:2", [HISTORY]),
        ("migrate:revert:1", ["migrate:revert:2"]),
        ("migrate:record", ["migrate:revert:1"]),
    ],
)
def test_a_step_of_a_rollback_comes_after(
    contexts: Contexts, step: str, expected: list[str]
) -> None:
    assert steps(rollback(contexts))[step]["task_dep"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [LOCK, BACKUP, CREATE]),
        ({"skip_backup": True}, [LOCK, CREATE]),
        ({"atomic": True}, [LOCK, BACKUP, BEGIN, CREATE]),
    ],
    ids=str,
)
def test_every_apply_has_its_setup_steps(
    contexts: Contexts, given: dict[str, Any], expected: list[str]
) -> None:
    found = steps(contexts(**given))
    assert [found[f"migrate:apply:{n}"]["setup"] for n in (1, 2, 3)] == [expected] * 3


def test_every_revert_has_the_lock_and_the_backup_as_setup_steps(contexts: Contexts) -> None:
    found = steps(rollback(contexts))
    assert [found[f"migrate:revert:{n}"]["setup"] for n in (2, 1)] == [[LOCK, BACKUP]] * 2


def test_nothing_else_has_setup_steps(contexts: Contexts) -> None:
    for context in (contexts(atomic=True), rollback(contexts)):
        others = {n: s for n, s in steps(context).items() if not n.startswith("migrate:apply")}
        with_setup = [n for n, s in others.items() if s.get("setup")]
        assert [n for n in with_setup if not n.startswith("migrate:revert")] == []


def test_the_lock_is_given_back_by_a_teardown(contexts: Contexts) -> None:
    assert len(steps(contexts())[LOCK]["teardown"]) == 1


# --- conditions: what makes a step have nothing to do ---


def test_history_always_looks_and_is_blocked_by_what_it_finds(contexts: Contexts) -> None:
    context = contexts(applied=1)
    question = condition(context, HISTORY)
    assert (question(), question.raised) == (False, None)
    context.migrations = context.migrations[1:]
    context.set_history(context.history)
    assert question() is False
    assert isinstance(question.raised, HistoryError)


@pytest.mark.parametrize(
    ("step", "session"),
    [(LOCK, {"locked": True}), (BEGIN, {"in_batch": True})],
)
def test_what_the_session_has_is_not_done_again(
    contexts: Contexts, step: str, session: dict[str, Any]
) -> None:
    context = contexts(atomic=True)
    question = condition(context, step)
    assert not question()
    context.session = SimpleNamespace(**dict.fromkeys(session, False))  # type: ignore[assignment]
    assert not question()
    context.session = SimpleNamespace(**session)  # type: ignore[assignment]
    assert question()


def test_a_plan_knows_of_no_backup(contexts: Contexts) -> None:
    assert not condition(contexts(), BACKUP)()


def test_the_history_table_is_made_once_and_relabelled_when_asked(contexts: Contexts) -> None:
    assert not condition(contexts(), CREATE)()
    assert condition(contexts(applied=1), CREATE)()
    assert not condition(contexts(applied=1, relabel=True), CREATE)()


def test_an_apply_is_done_when_the_history_says_so(contexts: Contexts) -> None:
    context = contexts(applied=1)
    question = condition(context, "migrate:apply:2")
    assert not question()
    context.set_history(contexts(applied=2).history)
    assert question()


def test_a_revert_is_done_when_the_row_is_gone(contexts: Contexts) -> None:
    context = rollback(contexts)
    question = condition(context, "migrate:revert:2")
    assert not question()
    context.set_history(contexts(applied=1).history)
    assert question()


def test_commit_never_counts_as_done(contexts: Contexts) -> None:
    assert not condition(contexts(atomic=True), COMMIT)()


def test_record_has_nothing_to_do_only_without_work_and_without_a_claim(
    contexts: Contexts, project: Project
) -> None:
    assert not condition(contexts(), "migrate:record")()
    assert not condition(rollback(contexts), "migrate:record")()
    done = contexts(applied=3)
    assert condition(done, "migrate:record")()
    claim.write(done.settings.project, claim.Claim("", "run", "", "", 0.0, 0))
    assert not condition(done, "migrate:record")()


def test_a_run_without_work_has_no_step_that_could_change_something(contexts: Contexts) -> None:
    assert list(steps(contexts(applied=3))) == [HISTORY, "migrate:record"]
