"""A lost connection, a dead server or a signal: what the run says of the database is true."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bookkeeping
import psycopg
import pytest
from bookkeeping import VERSIONS
from onlooker import WAITS_FOR_LOCK, Onlooker
from own_server import OwnServer
from own_server import own_server as starting
from servers_for_tests import Nself, Project, Result, ScratchServer
from wire import Wire, between

from nself_tasks.database.servers.binaries import Installation

FINISH = "UPDATE public._nself_migrations SET state = 'applied'"
PROGRESS = "_nself_migration_progress AS p"
TWO_STAY = (
    f"The database is as it was before {VERSIONS[2]}. 2 migrations applied in this run stay"
    f" applied: {VERSIONS[0]}, {VERSIONS[1]}."
)
RUN = ("run", "--skip-backup", "--json")


def ended(process: subprocess.Popen[str], seconds: float = 60) -> Result:
    out, err = process.communicate(timeout=seconds)
    return Result(process.returncode, out, err)


def applied(count: int) -> list[tuple[str, str]]:
    return [(version, "applied") for version in VERSIONS[:count]]


def heals(nself: Nself, left_now: Callable[[], Any], undisturbed: Any) -> None:
    """A plain second run ends with 0 and with what an undisturbed run leaves."""
    second = nself("run", "--skip-backup")
    assert second.code == 0, second.err
    assert left_now() == undisturbed


def stopped_after_two(result: Result, onlooker: Onlooker) -> None:
    """The run says that the first two of five stay, and so it is."""
    assert result.code == 1, result.out + result.err
    told = result.json()
    assert (told["database"], told["state"]) == ("advanced", TWO_STAY)
    assert told["applied"] == list(VERSIONS[:2])
    assert onlooker.history() == applied(2)


def keep_the_first_three(project: Project) -> None:
    """The fourth cannot run in one transaction."""
    for path in list(project.migrations.iterdir()):
        if path.name > VERSIONS[3]:
            path.unlink()


@pytest.mark.usefixtures("five")
class TestCutByTheNetwork:
    def test_in_the_middle_of_a_statement_nothing_of_its_migration_stays(
        self, nself: Nself, wire: Wire, onlooker: Onlooker, left_now: Any, undisturbed: Any
    ) -> None:
        with onlooker.locked("legacy_3"):
            run = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
            backend = onlooker.until(run, WAITS_FOR_LOCK)
            wire.cut()
            result = ended(run)
            stopped_after_two(result, onlooker)
            onlooker.until_gone(backend)
        assert "the connection was lost" in result.json()["error"]["message"]
        heals(nself, left_now, undisturbed)

    def test_before_the_commit_reaches_the_server_nothing_of_its_migration_stays(
        self, nself: Nself, wire: Wire, onlooker: Onlooker, left_now: Any, undisturbed: Any
    ) -> None:
        commit = wire.before("COMMIT", since="TABLE legacy_3")
        run = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
        commit.wait()
        commit.cut()
        stopped_after_two(ended(run), onlooker)
        heals(nself, left_now, undisturbed)

    def test_in_the_first_migration_the_database_is_unchanged(
        self, nself: Nself, wire: Wire, onlooker: Onlooker, left_now: Any, undisturbed: Any
    ) -> None:
        commit = wire.before("COMMIT", since="TABLE legacy_1")
        run = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
        commit.wait()
        commit.cut()
        result = ended(run)
        assert (result.code, result.json()["database"]) == (1, "unchanged")
        assert result.json()["state"] == f"The database is as it was before {VERSIONS[0]}."
        assert onlooker.history() == []
        heals(nself, left_now, undisturbed)

    @pytest.mark.parametrize("number", [1, 3, 5])
    def test_between_commit_and_its_answer_the_run_proves_the_commit_and_goes_on(
        self,
        number: int,
        nself: Nself,
        wire: Wire,
        left_now: Any,
        undisturbed: Any,
    ) -> None:
        committed = wire.after("COMMIT", since=f"TABLE legacy_{number}")
        run = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
        committed.wait()
        committed.cut()
        result = ended(run)
        assert result.code == 0, result.out
        assert result.json()["applied"] == list(VERSIONS)
        assert "had committed; connected again" in result.err
        assert left_now() == undisturbed

    @pytest.mark.parametrize(
        ("ask", "text", "since"),
        [
            pytest.param("before", "CREATE INDEX", "", id="before-the-index"),
            pytest.param("after", "CREATE INDEX", "", id="after-the-index"),
            pytest.param("before", PROGRESS, "CREATE INDEX", id="before-its-done-row"),
            pytest.param("after", "COMMIT", "index is", id="after-the-last-statement"),
            pytest.param("before", "COMMIT", FINISH, id="before-the-last-commit"),
        ],
    )
    def test_outside_a_transaction_the_migration_is_partial(
        self,
        ask: str,
        text: str,
        since: str,
        nself: Nself,
        wire: Wire,
        onlooker: Onlooker,
        left_now: Any,
        undisturbed: Any,
    ) -> None:
        stop = getattr(wire, ask)(text, since=since)
        run = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
        stop.wait()
        stop.cut()
        result = ended(run)
        assert (result.code, result.json()["database"]) == (1, "partial")
        assert f"{VERSIONS[3]} is partly applied" in result.json()["state"]
        assert onlooker.history() == [*applied(3), (VERSIONS[3], "partial")]
        heals(nself, left_now, undisturbed)

    def test_after_the_last_commit_outside_a_transaction_it_is_said_to_be_applied(
        self, nself: Nself, wire: Wire, onlooker: Onlooker, left_now: Any, undisturbed: Any
    ) -> None:
        committed = wire.after("COMMIT", since=FINISH)
        run = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
        committed.wait()
        committed.cut()
        result = ended(run)
        assert result.json()["applied"] == [version for version, _ in onlooker.history()]
        heals(nself, left_now, undisturbed)

    def test_in_an_atomic_run_nothing_stays(
        self, project: Project, nself: Nself, wire: Wire, onlooker: Onlooker
    ) -> None:
        keep_the_first_three(project)
        with onlooker.locked("legacy_3"):
            run = nself.start(*RUN, "--atomic", environment={"DATABASE_URL": wire.url})
            onlooker.until(run, WAITS_FOR_LOCK)
            wire.cut()
            result = ended(run)
        assert (result.code, result.json()["database"]) == (1, "unchanged")
        assert result.json()["state"] == "The database is as it was before this run."
        assert "the connection was lost" in result.json()["error"]["message"]
        assert onlooker.history() == []
        assert nself("run", "--skip-backup", "--atomic").code == 0
        assert onlooker.history() == applied(3)

    @pytest.mark.parametrize(("ask", "code", "stays"), [("before", 1, 0), ("after", 0, 3)])
    def test_at_the_commit_of_an_atomic_run_all_or_nothing_is_there_and_said(
        self,
        ask: str,
        code: int,
        stays: int,
        project: Project,
        nself: Nself,
        wire: Wire,
        onlooker: Onlooker,
    ) -> None:
        keep_the_first_three(project)
        stop = getattr(wire, ask)("COMMIT", since="TABLE legacy_3")
        run = nself.start(*RUN, "--atomic", environment={"DATABASE_URL": wire.url})
        stop.wait()
        stop.cut()
        result = ended(run)
        assert result.code == code, result.out
        assert onlooker.history() == applied(stays)
        assert result.json()["applied"] == list(VERSIONS[:stays])
        assert result.json()["database"] == ("advanced" if stays else "unchanged")
        assert nself("run", "--skip-backup", "--atomic").code == 0
        assert onlooker.history() == applied(3)


@pytest.mark.usefixtures("five")
class TestEndedByTheServer:
    def test_a_terminated_backend_leaves_nothing_of_its_migration(
        self, nself: Nself, onlooker: Onlooker, left_now: Any, undisturbed: Any
    ) -> None:
        with onlooker.locked("legacy_3"):
            run = nself.start(*RUN)
            backend = onlooker.until(run, WAITS_FOR_LOCK)
            onlooker.rows("SELECT pg_terminate_backend(%s)", backend)
            result = ended(run)
        stopped_after_two(result, onlooker)
        assert "terminating connection" in result.json()["error"]["detail"]
        heals(nself, left_now, undisturbed)

    def test_a_backend_terminated_while_it_builds_an_index_leaves_a_partial_migration(
        self, nself: Nself, onlooker: Onlooker, left_now: Any, undisturbed: Any
    ) -> None:
        with onlooker.locked("legacy_4"):
            run = nself.start(*RUN)
            backend = onlooker.until(run, f"{WAITS_FOR_LOCK} AND query LIKE 'CREATE INDEX%'")
            onlooker.rows("SELECT pg_terminate_backend(%s)", backend)
            result = ended(run)
        assert (result.code, result.json()["database"]) == (1, "partial")
        assert onlooker.history() == [*applied(3), (VERSIONS[3], "partial")]
        heals(nself, left_now, undisturbed)

    def test_a_cancelled_statement_leaves_nothing_of_its_migration(
        self, nself: Nself, onlooker: Onlooker, left_now: Any, undisturbed: Any
    ) -> None:
        with onlooker.locked("legacy_3"):
            run = nself.start(*RUN)
            backend = onlooker.until(run, WAITS_FOR_LOCK)
            onlooker.rows("SELECT pg_cancel_backend(%s)", backend)
            result = ended(run)
        stopped_after_two(result, onlooker)
        assert result.json()["error"]["facts"]["sqlstate"] == "57014"
        heals(nself, left_now, undisturbed)


@pytest.fixture(scope="module")
def programs(server: ScratchServer) -> Installation:
    """Programs of the kind of server that is tested, else any that are here."""
    import servers_for_tests as servers

    kinds = [kind for kind in (server.kind, "embedded", "local") if kind in ("embedded", "local")]
    found = next(filter(None, map(servers.installation, kinds)), None)
    if found is None:
        pytest.skip(f"no Postgres programs {servers.APT}")
    return found


@pytest.fixture
def own_server(programs: Installation) -> Iterator[OwnServer]:
    short = tempfile.TemporaryDirectory(prefix="t", dir="/tmp")
    with short as folder, starting(programs, Path(folder)) as server:
        yield server


class TestServerKilled:
    """By SIGKILL of the postmaster, then started again while the run asks what became of it."""

    def test_during_a_statement_nothing_of_its_migration_stays(
        self, own_server: OwnServer, project: Project, nself: Nself
    ) -> None:
        bookkeeping.prepare(project, own_server.url)
        onlooker, target = Onlooker(own_server.url), {"DATABASE_URL": own_server.url}
        with suppress(psycopg.OperationalError), onlooker.locked("legacy_3"):
            run = nself.start(*RUN, environment=target)
            onlooker.until(run, WAITS_FOR_LOCK)
            own_server.kill()
        own_server.cluster.start()
        stopped_after_two(ended(run), onlooker)
        assert nself("run", "--skip-backup", environment=target).code == 0
        assert onlooker.history() == applied(5)

    def test_outside_a_transaction_it_waits_for_the_server_to_say_what_stays(
        self, own_server: OwnServer, project: Project, nself: Nself
    ) -> None:
        bookkeeping.prepare(project, own_server.url)
        onlooker, target = Onlooker(own_server.url), {"DATABASE_URL": own_server.url}
        with suppress(psycopg.OperationalError), onlooker.locked("legacy_4"):
            run = nself.start(*RUN, environment=target)
            onlooker.until(run, WAITS_FOR_LOCK)
            own_server.kill()
        own_server.cluster.start()
        result = ended(run)
        assert result.code == 1, result.out
        assert result.json()["database"] == "partial", result.out + result.err
        assert f"{VERSIONS[3]} is partly applied" in result.json()["state"]
        assert nself("run", "--skip-backup", environment=target).code == 0
        assert onlooker.history() == applied(5)

    def test_by_the_death_of_one_backend_nothing_of_its_migration_stays(
        self, own_server: OwnServer, project: Project, nself: Nself
    ) -> None:
        """The server ends all its connections then, and recovers by itself."""
        bookkeeping.prepare(project, own_server.url)
        onlooker, target = Onlooker(own_server.url), {"DATABASE_URL": own_server.url}
        with suppress(psycopg.OperationalError), onlooker.locked("legacy_3"):
            run = nself.start(*RUN, environment=target)
            os.kill(onlooker.until(run, WAITS_FOR_LOCK), signal.SIGKILL)
            result = ended(run)
        stopped_after_two(result, onlooker)
        assert nself("run", "--skip-backup", environment=target).code == 0
        assert onlooker.history() == applied(5)

    def test_after_the_commit_the_run_proves_it_and_goes_on(
        self, own_server: OwnServer, project: Project, nself: Nself
    ) -> None:
        bookkeeping.prepare(project, own_server.url)
        with between(own_server.url) as wire:
            committed = wire.after("COMMIT", since="TABLE legacy_3")
            run = nself.start(*RUN, environment={"DATABASE_URL": wire.url})
            committed.wait()
            own_server.kill()
            committed.cut()
            own_server.cluster.start()
            result = ended(run)
        assert result.code == 0, result.out
        assert result.json()["applied"] == list(VERSIONS)
        assert Onlooker(own_server.url).history() == applied(5)

    def test_and_not_started_again_the_state_is_said_to_be_unknown(
        self, own_server: OwnServer, project: Project, nself: Nself
    ) -> None:
        bookkeeping.prepare(project, own_server.url)
        onlooker, target = Onlooker(own_server.url), {"DATABASE_URL": own_server.url}
        with suppress(psycopg.OperationalError), onlooker.locked("legacy_3"):
            run = nself.start(*RUN, environment=target)
            onlooker.until(run, WAITS_FOR_LOCK)
            own_server.kill()
        result = ended(run)  # after the 20 seconds in which it tries to connect
        assert (result.code, result.json()["database"]) == (1, "unknown")
        assert result.json()["state"] == "Nobody could be asked what state the database is in."
        own_server.cluster.start()
        assert nself("run", "--skip-backup", environment=target).code == 0
        assert onlooker.history() == applied(5)


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
ASLEEP = "state = 'active' AND wait_event = 'PgSleep'"


class TestSignals:
    """During a long statement, which is cancelled on the server."""

    @pytest.fixture
    def slow(self, project: Project, onlooker: Onlooker) -> Callable[[int], None]:
        """A migration that sleeps in its second statement, for as long as it is told."""
        onlooker.rows("CREATE TABLE pace (seconds integer NOT NULL)")
        onlooker.rows("INSERT INTO pace VALUES (600)")
        project.migration("1", "first", "CREATE TABLE first (id integer);")
        up = "CREATE TABLE second (id integer);\nSELECT pg_sleep(seconds) FROM pace;\n"
        project.migration("2", "second", up)
        return lambda seconds: onlooker.rows("UPDATE pace SET seconds = %s", seconds) and None

    @pytest.mark.parametrize(("number", "code"), SIGNALS, ids=lambda p: getattr(p, "name", ""))
    def test_a_signal_cancels_the_statement_frees_the_lock_and_gives_its_code(
        self,
        number: signal.Signals,
        code: int,
        slow: Callable[[int], None],
        nself: Nself,
        onlooker: Onlooker,
    ) -> None:
        with handled(number, signal.SIG_DFL):
            # Whoever runs the tests may have told all of them to ignore it.
            run = nself.start(*RUN)
        backend = onlooker.until(run, ASLEEP)
        run.send_signal(number)
        result = ended(run, 20)
        onlooker.until_gone(backend)
        assert onlooker.runners() == []
        assert result.code == result.json()["exit_code"] == code
        told = result.json()
        assert (told["database"], told["applied"]) == ("advanced", ["1"])
        assert told["error"]["code"] == "interrupted"
        assert "1 migration applied in this run stays applied: 1." in told["state"]
        slow(0)
        assert nself("run", "--skip-backup").code == 0
        assert onlooker.history() == [("1", "applied"), ("2", "applied")]

    def test_a_hangup_that_is_ignored_as_by_nohup_stays_ignored(
        self, slow: Callable[[int], None], nself: Nself, onlooker: Onlooker
    ) -> None:
        with handled(signal.SIGHUP, signal.SIG_IGN):
            run = nself.start(*RUN)
        onlooker.until(run, ASLEEP)
        run.send_signal(signal.SIGHUP)
        slow(0)
        run.send_signal(signal.SIGHUP)
        assert run.poll() is None
        assert onlooker.backend(run, ASLEEP)
        onlooker.rows("SELECT pg_cancel_backend(%s)", onlooker.until(run, ASLEEP))
        assert ended(run).code == 1
        assert nself("run", "--skip-backup").code == 0

    @pytest.mark.usefixtures("five")
    def test_a_signal_during_an_index_build_leaves_a_partial_migration_that_is_resumed(
        self, nself: Nself, onlooker: Onlooker, left_now: Any, undisturbed: Any
    ) -> None:
        with onlooker.locked("legacy_4"):
            run = nself.start(*RUN)
            backend = onlooker.until(run, f"{WAITS_FOR_LOCK} AND query LIKE 'CREATE INDEX%'")
            run.send_signal(signal.SIGTERM)
            result = ended(run, 10)
            onlooker.until_gone(backend)
        assert (result.code, result.json()["database"]) == (143, "partial")
        heals(nself, left_now, undisturbed)

    @pytest.mark.usefixtures("five")
    def test_a_signal_while_waiting_for_another_runner_changes_nothing(
        self, nself: Nself, onlooker: Onlooker
    ) -> None:
        with onlooker.locked("legacy_1"):
            first = nself.start("run", "--skip-backup")
            onlooker.until(first, WAITS_FOR_LOCK)
            second = nself.start(*RUN)
            onlooker.until(second, "query LIKE '%pg_try_advisory_lock%'")
            second.send_signal(signal.SIGINT)
            result = ended(second, 10)
        assert (result.code, result.json()["database"]) == (130, "unchanged")
        assert ended(first).code == 0

    @pytest.mark.usefixtures("five")
    def test_a_signal_during_the_backup_leaves_no_backup(
        self, nself: Nself, onlooker: Onlooker, project: Project
    ) -> None:
        with onlooker.locked("legacy_1", "ACCESS EXCLUSIVE"):
            run = nself.start("run", "--json")
            onlooker.until_any(f"{WAITS_FOR_LOCK} AND application_name = 'nself-migrate backup'")
            run.send_signal(signal.SIGTERM)
            result = ended(run, 10)
        assert (result.code, result.json()["database"]) == (143, "unchanged")
        # beside the two files that keep the folder out of git and out of images
        assert [p.name for p in (project.root / ".nself" / "backup").iterdir() if p.is_dir()] == []


@contextmanager
def handled(number: signal.Signals, how: signal.Handlers) -> Iterator[None]:
    """What is started meanwhile takes this signal so; ignored it is under nohup."""
    before = signal.getsignal(number)
    # A handler of Python's is none of a program that is started: it has the default.
    if how is not signal.SIG_DFL or before is signal.SIG_IGN:
        signal.signal(number, how)
    try:
        yield
    finally:
        signal.signal(number, before)
