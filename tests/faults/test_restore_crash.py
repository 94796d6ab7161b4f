"""A restore that is killed leaves the old database or the restored one; the next one heals it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import test_lost_connection as lost
from onlooker import ASKS_FOR_RUNNER_LOCK, Onlooker, died_by_sigkill
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, Result, ScratchServer, within
from wire import Wire, between

from nself_tasks.database.servers.sockets import with_database

HUNDRED = "SELECT count(*) FROM kept"
SWAP = "RENAME TO"
COPY = "COPY public.kept"


@pytest.fixture
def shop(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    """Damaged after its backup, so that the old database can be told from the restored one."""
    with backed_up(project, nself, database, server) as found:
        found.damage()
        yield found


@pytest.fixture
def wire(shop: BackedUp) -> Iterator[Wire]:
    with between(shop.url) as proxy:
        yield proxy


def start(shop: BackedUp, *arguments: str, url: str | None = None) -> subprocess.Popen[str]:
    command = ("backups", "restore", shop.id, "--json", *arguments)
    return shop.nself.start(*command, environment={"DATABASE_URL": url or shop.url})


def ended(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


def is_old(shop: BackedUp) -> bool:
    """Whether the database in place is the old one, whole; else it is the restored one, whole."""
    if shop.rows("SELECT to_regclass('damage') IS NOT NULL") == [True]:
        return True
    assert shop.rows(HUNDRED) == [100]
    return False


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a command has started."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in listed.read_text().split()]


MOMENTS = [
    pytest.param("before", "CREATE DATABASE", "", True, id="database-not-made"),
    pytest.param("after", "CREATE DATABASE", "", True, id="database-made-but-not-marked"),
    pytest.param("after", "COMMENT ON DATABASE", "", True, id="database-marked"),
    pytest.param("before", COPY, "", True, id="being-filled"),
    pytest.param("before", SWAP, "", True, id="filled"),
    pytest.param("after", SWAP, "", True, id="one-name-changed"),
    pytest.param("before", "COMMIT", SWAP, True, id="both-names-changed"),
    pytest.param("after", "COMMIT", SWAP, False, id="committed-but-the-command-was-not-told"),
]


@pytest.mark.parametrize(("ask", "text", "since", "old"), MOMENTS)
def test_killed_at_any_moment_one_of_the_two_is_in_place_and_the_next_restore_heals_it(
    ask: str, text: str, since: str, old: bool, shop: BackedUp, wire: Wire
) -> None:
    stop = getattr(wire, ask)(text, since=since)
    killed = start(shop, url=wire.url)
    stop.wait()
    assert died_by_sigkill(killed)
    assert stop.holds
    stop.cut()
    wire.cut()
    assert is_old(shop) is old
    done = shop.restore()
    assert done.code == 0, done.err
    assert is_old(shop) is False
    kept = [name for name in shop.databases() if name != shop.name]
    assert all("_before_restore_" in name for name in kept), kept
    assert len(kept) == (1 if old else 2)


@pytest.mark.parametrize(("ask", "text", "since", "old"), MOMENTS)
def test_with_its_connection_cut_it_says_which_of_the_two_is_in_place(
    ask: str, text: str, since: str, old: bool, shop: BackedUp, wire: Wire
) -> None:
    stop = getattr(wire, ask)(text, since=since)
    command = start(shop, url=wire.url)
    stop.wait()
    wire.cut()
    stop.cut()
    found = ended(command).json()
    assert found["database"] == ("unchanged" if old else "restored"), found
    assert is_old(shop) is old
    assert found["exit_code"] == 1
    assert shop.restore().code == 0
    assert is_old(shop) is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize(("text", "old"), [(COPY, True), (SWAP, True)], ids=["filling", "swapping"])
def test_a_signal_leaves_the_old_database_and_nothing_else(
    number: signal.Signals, text: str, old: bool, shop: BackedUp, wire: Wire
) -> None:
    stop = wire.before(text)
    command = start(shop, url=wire.url)
    stop.wait()
    command.send_signal(number)
    if text == SWAP:
        stop.cut()
    found = ended(command).json()
    assert (found["exit_code"], found["database"]) == (128 + number, "unchanged")
    assert is_old(shop) is old
    assert shop.databases() == [shop.name]


def test_a_pg_restore_that_is_killed_leaves_the_old_database_and_nothing_else(
    shop: BackedUp, wire: Wire
) -> None:
    stop = wire.before(COPY)
    command = start(shop, url=wire.url)
    stop.wait()
    [pg_restore] = children(command)
    os.kill(pg_restore, signal.SIGKILL)
    stop.cut()
    found = ended(command).json()
    assert (found["exit_code"], found["database"]) == (1, "unchanged")
    assert "`pg_restore` was killed by signal 9" in found["error"]["message"]
    assert (is_old(shop), shop.databases()) == (True, [shop.name])


def test_what_others_have_made_under_such_a_name_is_left_alone(
    shop: BackedUp, server: ScratchServer
) -> None:
    server.create_database(shop.half)
    found = shop.restore("--json").json()
    assert found["exit_code"] == 0
    assert shop.databases() == sorted([shop.name, shop.kept, shop.half])


@pytest.mark.parametrize("ask", ["before", "after"], ids=["not made", "made, not marked"])
def test_so_it_is_where_a_killed_restore_has_written_down_that_it_makes_one(
    ask: str, shop: BackedUp, wire: Wire, server: ScratchServer
) -> None:
    stop = getattr(wire, ask)("CREATE DATABASE")
    killed = start(shop, url=wire.url)
    stop.wait()
    assert died_by_sigkill(killed)
    stop.cut()
    wire.cut()
    record = shop.project.root / ".nself/migrate/restored.json"
    assert json.loads(record.read_text())["making"]["name"] == shop.half
    if ask == "before":
        server.create_database(shop.half)
    with psycopg.connect(with_database(shop.url, shop.half), autocommit=True) as by_hand:
        by_hand.execute("CREATE TABLE rescued AS SELECT 1 AS x")
    assert shop.restore().code == 0
    assert shop.rows("SELECT x FROM rescued", with_database(shop.url, shop.half)) == [1]
    assert is_old(shop) is False


class TestSessions:
    def test_they_are_named_and_nothing_is_done(self, shop: BackedUp) -> None:
        with psycopg.connect(shop.url, application_name="till 3") as till:
            result = shop.restore("--json", "--lock-wait", "0")
            assert "nothing had been made yet" in result.json()["state"]
            error = result.json()["error"]
            [problem] = error["problems"]
            for word in (f"backend {till.info.backend_pid}", "`till 3`", "user postgres", "since"):
                assert word in problem["message"]
        assert (result.code, error["code"], "--disconnect" in error["hint"]) == (1, "lock", True)
        assert (is_old(shop), shop.databases()) == (True, [shop.name])

    def test_they_are_waited_for(self, shop: BackedUp) -> None:
        till = psycopg.connect(shop.url)
        command = start(shop)
        onlooker = Onlooker(shop.server_url)
        looks = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%a.datname = $%'"
        assert within(30, lambda: bool(onlooker.rows(looks)))
        till.close()
        assert ended(command).code == 0
        assert is_old(shop) is False

    def test_they_are_ended_at_the_last_moment_where_that_was_asked_for(
        self, shop: BackedUp, wire: Wire
    ) -> None:
        with psycopg.connect(shop.url, autocommit=True) as till:
            swap = wire.before(SWAP)
            command = start(shop, "--disconnect", url=wire.url)
            swap.wait()
            till.execute("SELECT 1")
            swap.go_on()
            assert ended(command).code == 0
            with pytest.raises(psycopg.OperationalError):
                till.execute("SELECT 1")
        assert is_old(shop) is False

    def test_one_that_comes_while_the_dump_is_restored_is_named_and_the_old_one_stays(
        self, shop: BackedUp, wire: Wire
    ) -> None:
        filling = wire.before(COPY)
        command = start(shop, "--lock-wait", "1", url=wire.url)
        filling.wait()
        with psycopg.connect(shop.url, application_name="late"):
            filling.go_on()
            found = ended(command).json()
        assert "what was half restored is dropped" in found["state"]
        assert "`late`" in found["error"]["problems"][0]["message"]
        assert (found["exit_code"], found["database"]) == (1, "unchanged")
        assert shop.databases() == [shop.name]

    def test_prepared_transactions_are_named(self, shop: BackedUp) -> None:
        if shop.rows("SHOW max_prepared_transactions") == ["0"]:
            assert shop.restore().code == 0
            return
        with psycopg.connect(shop.url) as connection:
            connection.tpc_begin("books")
            connection.execute("INSERT INTO damage VALUES (1)")
            connection.tpc_prepare()
        try:
            assert "`books`" in shop.restore().err
        finally:
            shop.execute("ROLLBACK PREPARED 'books'")


class TestARunBesideIt:
    def test_a_restore_waits_for_the_lock_of_a_run_and_says_who_has_it(
        self, shop: BackedUp
    ) -> None:
        shop.project.migration("2", "b", "LOCK TABLE damage; SELECT 2;")
        other = Nself(shop.project.root, {"DATABASE_URL": shop.url})
        onlooker = Onlooker(shop.url)
        with onlooker.locked("damage"):
            run = other.start("run", "--skip-backup")
            onlooker.until(run, "state = 'active' AND wait_event_type = 'Lock'")
            result = shop.restore("--json", "--lock-wait", "0")
        assert (result.code, result.json()["error"]["code"]) == (1, "lock")
        assert ended(run).code == 0
        assert is_old(shop) is True
        other.close()

    def test_a_run_waits_for_a_restore_and_never_works_on_the_database_that_goes(
        self, shop: BackedUp, wire: Wire
    ) -> None:
        shop.project.migration("2", "b", "CREATE TABLE from_the_run (x int);")
        swap = wire.before(SWAP)
        command = start(shop, "--disconnect", url=wire.url)
        swap.wait()
        run = shop.nself.start("run", "--skip-backup", "--schema-only", "--json")
        Onlooker(shop.url).until(run, ASKS_FOR_RUNNER_LOCK)
        swap.go_on()
        assert ended(command).code == 0
        assert ended(run).code == 1
        kept = shop.url.replace(shop.name, shop.kept)
        assert shop.rows("SELECT to_regclass('from_the_run')", kept) == [None]
        assert is_old(shop) is False
        assert shop.nself("run", "--skip-backup").code == 0


own_server, programs = lost.own_server, lost.programs


@pytest.mark.parametrize(("text", "since"), [(COPY, ""), ("COMMIT", SWAP)], ids=["fill", "swap"])
def test_a_server_that_is_killed_comes_up_with_the_old_database(
    text: str, since: str, own_server: lost.OwnServer, project: Project, server: ScratchServer
) -> None:
    url = with_database(own_server.url, "shop")
    there = ScratchServer(own_server.url, server.major, server.kind)
    there.create_database("shop")
    nself = Nself(project.root, {"DATABASE_URL": url})
    with backed_up(project, nself, url, there) as shop, between(url) as wire:
        shop.damage()
        stop = wire.before(text, since=since)
        command = start(shop, url=wire.url)
        stop.wait()
        own_server.kill()
        wire.cut()
        stop.cut()
        own_server.cluster.start()
        found = ended(command).json()
        assert (found["exit_code"], found["database"]) == (1, "unchanged")
        assert is_old(shop) is True
        assert shop.restore().code == 0
        assert (is_old(shop), shop.databases()) == (False, ["shop", shop.kept])
    nself.close()
