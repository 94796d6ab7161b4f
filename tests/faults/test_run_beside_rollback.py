"""`run` and `rollback` at once on one database: one works, the other waits and plans again."""

from __future__ import annotations

import subprocess

import pytest
from onlooker import ASKS_FOR_RUNNER_LOCK, WAITS_FOR_LOCK, Onlooker, died_by_sigkill
from servers_for_tests import Nself, Project, Result

RUN = ("run", "--skip-backup", "--json")
BACK = ("rollback", "--skip-backup", "--json")
MADE_AGAIN = "history or files changed while waiting: the plan was made again"


@pytest.fixture(autouse=True)
def three(project: Project, onlooker: Onlooker) -> None:
    """Three migrations; the third needs the table `gate`, up and down."""
    onlooker.rows("CREATE TABLE gate (id integer)")
    for number in (1, 2):
        up, down = f"CREATE TABLE t{number} (id integer);", f"DROP TABLE t{number};"
        project.migration(str(number), "table", up, down)
    up, down = "ALTER TABLE gate ADD COLUMN note text;", "ALTER TABLE gate DROP COLUMN note;"
    project.migration("3", "gate", up, down)


def ended(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


def tables(onlooker: Onlooker) -> list[str]:
    """What the migrations have made, the column of the gate too."""
    return [
        name
        for (name,) in onlooker.rows(
            "SELECT relname FROM pg_class WHERE relname IN ('t1', 't2') UNION SELECT attname"
            " FROM pg_attribute WHERE attrelid = 'gate'::regclass AND attname = 'note' ORDER BY 1"
        )
    ]


def in_force(onlooker: Onlooker) -> list[str]:
    """The versions that count as applied."""
    return [version for version, state in onlooker.history() if state == "applied"]


def test_a_rollback_that_waited_for_a_run_does_not_undo_what_it_did_not_show(
    nself: Nself, onlooker: Onlooker
) -> None:
    assert nself(*RUN, "--to", "2").code == 0
    with onlooker.locked("gate"):
        run = nself.start(*RUN)
        onlooker.until(run, WAITS_FOR_LOCK)
        back = nself.start(*BACK)
        onlooker.until(back, ASKS_FOR_RUNNER_LOCK)
        assert in_force(onlooker) == ["1", "2"]
    done = ended(back)
    assert (ended(run).code, done.code) == (0, 1), done.out
    assert "it would now undo 3 instead of 2" in done.json()["error"]["message"]
    assert done.json()["error"]["database"] == "unchanged"
    assert (in_force(onlooker), tables(onlooker)) == (["1", "2", "3"], ["note", "t1", "t2"])


def test_a_rollback_that_waited_undoes_what_is_left_of_what_it_showed(
    nself: Nself, onlooker: Onlooker
) -> None:
    assert nself(*RUN).code == 0
    with onlooker.locked("gate"):
        first = nself.start(*BACK)
        onlooker.until(first, WAITS_FOR_LOCK)
        second = nself.start(*BACK, "--to", "1")
        onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
    assert ended(first).json()["reverted"] == ["3"]
    done = ended(second)
    assert (done.json()["reverted"], MADE_AGAIN in done.err) == (["2"], True)
    assert (in_force(onlooker), tables(onlooker)) == (["1"], ["t1"])


def test_a_run_waits_for_the_rollback_and_applies_what_was_undone(
    nself: Nself, onlooker: Onlooker
) -> None:
    assert nself(*RUN).code == 0
    assert nself(*RUN).json()["applied"] == []
    with onlooker.locked("gate"):
        back = nself.start(*BACK, "--steps", "2")
        onlooker.until(back, WAITS_FOR_LOCK)
        run = nself.start(*RUN, "--relabel", "--env", "dev")
        onlooker.until(run, ASKS_FOR_RUNNER_LOCK)
    assert ended(back).json()["reverted"] == ["3", "2"]
    done = ended(run)
    assert (done.code, done.json()["applied"]) == (0, ["2", "3"]), done.out
    assert MADE_AGAIN in done.err
    assert tables(onlooker) == ["note", "t1", "t2"]


@pytest.mark.parametrize(
    ("first", "second"), [(RUN, BACK), (BACK, RUN)], ids=["rollback is told", "run is told"]
)
def test_the_one_who_may_not_wait_is_refused_and_changes_nothing(
    first: tuple[str, ...], second: tuple[str, ...], nself: Nself, onlooker: Onlooker
) -> None:
    assert nself(*RUN, *(("--to", "2") if first == RUN else ())).code == 0
    before = in_force(onlooker)
    more = ("--relabel", "--env", "dev") if second == RUN else ()
    with onlooker.locked("gate"):
        working = nself.start(*first)
        holder = onlooker.until(working, WAITS_FOR_LOCK)
        refused = nself(*second, *more, "--lock-wait", "0")
        assert (refused.code, refused.json()["error"]["code"]) == (1, "lock")
        assert f"backend {holder}, `nself-migrate " in refused.json()["error"]["message"]
        assert refused.json()["database"] == "unchanged"
        assert in_force(onlooker) == before
    assert ended(working).code == 0


def test_a_rollback_killed_beside_a_waiting_run_leaves_what_it_had_not_undone(
    nself: Nself, onlooker: Onlooker
) -> None:
    assert nself(*RUN).code == 0
    with onlooker.locked("gate"):
        back = nself.start(*BACK)
        onlooker.until(back, WAITS_FOR_LOCK)
        run = nself.start(*RUN, "--relabel", "--env", "dev")
        onlooker.until(run, ASKS_FOR_RUNNER_LOCK)
        assert died_by_sigkill(back)
    done = ended(run)
    assert (done.code, done.json()["applied"]) == (0, []), done.out
    assert (in_force(onlooker), tables(onlooker)) == (["1", "2", "3"], ["note", "t1", "t2"])


def test_of_two_rollbacks_at_once_one_undoes_what_both_showed(
    nself: Nself, onlooker: Onlooker
) -> None:
    assert nself(*RUN).code == 0
    with onlooker.locked("gate"):
        first = nself.start(*BACK)
        onlooker.until(first, WAITS_FOR_LOCK)
        second = nself.start(*BACK)
        onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
    assert [(ended(p).code) for p in (first, second)] == [0, 1]
    assert (in_force(onlooker), tables(onlooker)) == (["1", "2"], ["t1", "t2"])
