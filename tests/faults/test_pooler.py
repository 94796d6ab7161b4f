"""A connection pooler between the command and the server: session mode works, the others do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from bookkeeping import VERSIONS
from onlooker import ASKS_FOR_RUNNER_LOCK, WAITS_FOR_LOCK, Onlooker, died_by_sigkill
from pooler_for_tests import MISSING, PROGRAM, Pooler, pooled
from restores_for_tests import backed_up
from servers_for_tests import Nself, Project, Result, ScratchServer, within
from wire import between

RUN = ("run", "--skip-backup")
ALL_APPLIED = [(version, "applied") for version in VERSIONS]
LENT = ["transaction", "statement"]

pytestmark = [pytest.mark.pooler, pytest.mark.skipif(PROGRAM is None, reason=MISSING)]
Start = Callable[..., Pooler]


@pytest.fixture
def pooler(database: str) -> Iterator[Start]:
    """Starts a pooler before the database, in a mode."""
    with ExitStack() as running:
        yield lambda mode, **more: running.enter_context(pooled(database, mode, **more))


def through(pooler: Pooler) -> dict[str, str]:
    return {"DATABASE_URL": pooler.url}


def ended(process: Any) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


@pytest.mark.usefixtures("five")
class TestATransactionPooler:
    @pytest.mark.parametrize("mode", LENT)
    @pytest.mark.parametrize("size", [1, 5], ids=["one session", "five sessions"])
    def test_is_refused_in_words_before_anything_runs(
        self, mode: str, size: int, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        before = pooler(mode, size=size)
        refused = nself(*RUN, "--json", environment=through(before))
        error = refused.json()["error"]
        assert (refused.code, error["code"], error["database"]) == (1, "connection", "unchanged")
        assert "connection pooler that lends our server session" in error["message"]
        assert "connect to the server itself" in error["hint"]
        assert onlooker.history() == []
        assert nself(*RUN).code == 0
        assert onlooker.history() == ALL_APPLIED

    def test_with_idle_sessions_that_others_left_is_refused_too(
        self, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        """Whichever of them answers: round robin gives each transaction another one."""
        before = pooler("transaction", more="server_round_robin = 1")
        with ExitStack() as others:
            for _ in range(3):
                other = others.enter_context(psycopg.connect(before.url))
                other.execute("SELECT 1")
        for _ in range(3):
            assert nself(*RUN, environment=through(before)).code == 1
        assert onlooker.history() == []

    def test_refuses_a_rollback_as_well(
        self, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        assert nself(*RUN, "--to", VERSIONS[2]).code == 0
        before = pooler("transaction")
        assert nself("rollback", "--skip-backup", environment=through(before)).code == 1
        assert onlooker.history() == ALL_APPLIED[:3]

    @pytest.mark.parametrize("flags", [(), ("--into", "fresh_one"), ("--drop-old",)])
    def test_refuses_a_restore_before_anything_is_made(
        self, flags: tuple[str, ...], nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        done = nself("run", "--json")
        assert done.code == 0, done.err
        databases = onlooker.rows("SELECT oid, datname FROM pg_database ORDER BY 1")
        command = ("backups", "restore", done.json()["backup"], *flags, "--json")
        refused = nself(*command, environment=through(pooler("transaction")))
        error = refused.json()["error"]
        assert (refused.code, error["code"], error["database"]) == (1, "connection", "unchanged")
        assert "connection pooler that lends our server session" in error["message"]
        assert onlooker.rows("SELECT oid, datname FROM pg_database ORDER BY 1") == databases

    def test_does_not_let_two_runners_in_at_once(
        self, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        before = pooler("transaction")
        with onlooker.locked("legacy_1"):
            first = nself.start(*RUN)
            holder = onlooker.until(first, WAITS_FOR_LOCK)
            both = [nself.start(*RUN, environment=through(before)) for _ in range(2)]
            assert [ended(process).code for process in both] == [1, 1]
            assert onlooker.runners() == [holder]
        assert ended(first).code == 0
        assert onlooker.history() == ALL_APPLIED

    @pytest.mark.parametrize("command", [["status"], ["run", "--dry-run"]], ids=" ".join)
    def test_can_be_looked_through_and_its_sessions_stay_as_they_were(
        self, command: list[str], nself: Nself, pooler: Start
    ) -> None:
        before = pooler("transaction", size=1)
        looked = nself(*command, environment=through(before))
        assert (looked.code, VERSIONS[4] in looked.out) == (0, True), looked.err
        assert nself(*RUN, environment=through(before)).code == 1
        with psycopg.connect(before.url, autocommit=True) as application:
            application.execute("CREATE TABLE written (id integer)")
            settings = application.execute(
                "SELECT current_setting('lock_timeout'),"
                " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"
            ).fetchone()
        assert settings == ("0", 0)


@pytest.mark.usefixtures("five")
class TestASessionPooler:
    def test_runs_everything_with_its_backup(
        self,
        nself: Nself,
        pooler: Start,
        left_now: Callable[[], Any],
        undisturbed: Any,
    ) -> None:
        before = pooler("session")
        done = nself("run", "--json", environment=through(before))
        assert (done.code, done.json()["applied"]) == (0, list(VERSIONS)), done.out
        assert done.json()["backup"]
        assert left_now() == undisturbed

    def test_and_a_runner_without_it_keep_each_other_out(
        self, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        before = pooler("session")
        with onlooker.locked("legacy_1"):
            first = nself.start(*RUN, environment=through(before))
            holder = onlooker.until(first, WAITS_FOR_LOCK)
            second = nself.start(*RUN)
            onlooker.until(second, ASKS_FOR_RUNNER_LOCK)
            third = nself(*RUN, "--lock-wait", "0", environment=through(before))
            assert onlooker.runners() == [holder]
        assert third.code == 1
        assert f"backend {holder}, `nself-migrate " in third.err
        assert [ended(first).code, ended(second).code] == [0, 0]
        assert onlooker.history() == ALL_APPLIED

    def test_keeps_nothing_of_ours_even_when_it_resets_nothing(
        self, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        before = pooler("session", size=3, more="server_reset_query =")
        assert nself(*RUN, environment=through(before)).code == 0
        assert onlooker.runners() == []
        for _ in before.servers():
            with psycopg.connect(before.url) as application:
                shown = application.execute("SHOW lock_timeout").fetchone()
                channels = application.execute("SELECT pg_listening_channels()").fetchall()
            assert (shown, channels) == (("0",), [])

    def test_gives_the_lock_back_when_a_run_is_killed(
        self, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        before = pooler("session")
        with onlooker.locked("legacy_1"):
            first = nself.start(*RUN, environment=through(before))
            onlooker.until(first, WAITS_FOR_LOCK)
            assert died_by_sigkill(first)
        assert within(20, lambda: onlooker.runners() == [])
        assert nself(*RUN, environment=through(before)).code == 0
        assert onlooker.history() == ALL_APPLIED

    def test_and_a_connection_to_it_that_is_cut_end_in_a_true_sentence(
        self, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        with between(pooler("session").url) as wire:
            with onlooker.locked("legacy_3"):
                run = nself.start(*RUN, "--json", environment={"DATABASE_URL": wire.url})
                onlooker.until(run, WAITS_FOR_LOCK)
                wire.cut()
                failed = ended(run)
            assert (failed.code, failed.json()["database"]) == (1, "advanced"), failed.out
            assert "its transaction did not commit" in failed.json()["error"]["message"]
            assert onlooker.history() == ALL_APPLIED[:2]
            done = nself(*RUN, "--json", environment={"DATABASE_URL": wire.url})
        assert (done.code, done.json()["applied"]) == (0, list(VERSIONS[2:]))

    def test_without_a_second_session_to_give_is_refused_and_nothing_hangs(
        self, nself: Nself, pooler: Start, onlooker: Onlooker
    ) -> None:
        refused = nself(*RUN, environment=through(pooler("session", size=1)), seconds=30)
        assert (refused.code, onlooker.history()) == (1, [])


def test_a_database_is_restored_through_one_in_session_mode(
    project: Project, nself: Nself, database: str, server: ScratchServer, pooler: Start
) -> None:
    with backed_up(project, nself, database, server) as shop:
        psycopg.connect(database, autocommit=True).execute("DROP TABLE kept").connection.close()
        # The pooler keeps a session on the database for whoever comes next.
        before = pooler("session")
        done = shop.restore("--database", "--disconnect", environment=through(before))
        assert done.code == 0, done.err
        assert shop.databases() == [shop.name, shop.kept]
        assert shop.rows("SELECT count(*) FROM kept") == [100]


@pytest.mark.usefixtures("five")
def test_a_proxy_that_only_passes_bytes_on_is_no_pooler(
    nself: Nself, wire: Any, onlooker: Onlooker
) -> None:
    assert nself(*RUN, environment={"DATABASE_URL": wire.url}).code == 0
    assert onlooker.history() == ALL_APPLIED


def test_no_proof_is_asked_for_where_the_server_itself_answers(
    project: Project, nself: Nself, wire: Any
) -> None:
    project.migration("1", "t", "CREATE TABLE t (id integer);")
    listens = wire.before("LISTEN nself_migrate_")
    assert nself(*RUN, environment={"DATABASE_URL": wire.url}).code == 0
    assert not listens.holds


@pytest.mark.usefixtures("five")
def test_a_setting_in_the_url_that_a_pooler_refuses_is_said_in_words(
    nself: Nself, pooler: Start
) -> None:
    url = pooler("session").url + "?options=-c%20work_mem%3D8MB"
    error = nself(*RUN, "--json", environment={"DATABASE_URL": url}).json()["error"]
    assert error["message"].endswith(": the connection pooler there refuses a part of this URL")
    assert "unsupported startup parameter: options" in error["detail"]
