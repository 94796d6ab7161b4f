"""A `run` that waits for its turn beside a `backups restore`: neither is in the other's way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import test_restore_crash as crash
from onlooker import Onlooker
from restores_for_tests import BackedUp
from servers_for_tests import Nself, within
from test_restore_crash import COPY, ended, is_old, start
from wire import Wire

from nself_tasks.database.lock import WAITING

shop, wire = crash.shop, crash.wire
SHOWS_IT = (
    "SELECT DISTINCT application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND a.datname = %s"
    f" AND l.classid = {WAITING >> 32 & 0xFFFFFFFF} AND l.objid = {WAITING & 0xFFFFFFFF}"
)
RUN = ("run", "--skip-backup", "--schema-only", "--json")


@pytest.fixture
def second(shop: BackedUp) -> Iterator[Nself]:
    """The same project, used by somebody else."""
    shop.project.migration("2", "b", "CREATE TABLE from_the_run (x int);")
    found = Nself(shop.project.root, {"DATABASE_URL": shop.url})
    yield found
    found.close()


def waiting(shop: BackedUp) -> set[str]:
    return {name for (name,) in Onlooker(shop.server_url).rows(SHOWS_IT, shop.name)}


def until_it_waits(shop: BackedUp, process: subprocess.Popen[str], *, watched: bool) -> None:
    """Wait until a command shows that it waits, and its onlooker, which comes a second later."""

    def shown() -> bool:
        assert process.poll() is None, f"it ended: {process.communicate()}"
        names = waiting(shop)
        itself = any(name.endswith(f":{process.pid}") for name in names)
        return itself and (not watched or "nself-migrate watch" in names)

    assert within(30, shown)


@pytest.mark.parametrize("watched", [False, True], ids=["at-once", "with-its-onlooker"])
def test_the_restore_gets_through_without_disconnect_and_the_run_is_told(
    shop: BackedUp, wire: Wire, second: Nself, watched: bool
) -> None:
    filling = wire.before(COPY)
    command = start(shop, "--lock-wait", "5", url=wire.url)
    filling.wait()
    run = second.start(*RUN)
    until_it_waits(shop, run, watched=watched)
    filling.go_on()
    done = ended(command)
    assert done.code == 0, done.err
    told = ended(run).json()
    assert (told["exit_code"], told["error"]["code"]) == (1, "guard")
    assert "it was replaced, as a restore does" in told["error"]["message"]
    assert (told["database"], told["applied"]) == ("unchanged", [])
    assert is_old(shop) is False
    assert shop.databases() == [shop.name, shop.kept]
    kept = shop.url.replace(shop.name, shop.kept)
    assert shop.rows("SELECT to_regclass('from_the_run')", kept) == [None]
    again = second(*RUN)
    assert (again.code, again.json()["applied"]) == (0, ["1", "2"])


def test_where_the_restore_fails_the_run_that_waited_goes_on(
    shop: BackedUp, wire: Wire, second: Nself
) -> None:
    filling = wire.before(COPY)
    command = start(shop, url=wire.url)
    filling.wait()
    run = second.start(*RUN)
    until_it_waits(shop, run, watched=False)
    filling.cut()
    assert ended(command).code == 1
    told = ended(run).json()
    assert (told["exit_code"], told["applied"]) == (0, ["2"])
    assert is_old(shop) is True


def test_a_run_whose_waiting_session_is_ended_waits_on_in_the_same_database(
    shop: BackedUp, wire: Wire, second: Nself
) -> None:
    filling = wire.before(COPY)
    command = start(shop, url=wire.url)
    filling.wait()
    run = second.start(*RUN)
    until_it_waits(shop, run, watched=False)
    onlooker = Onlooker(shop.url)
    before = onlooker.backend(run)
    assert before
    onlooker.rows("SELECT pg_terminate_backend(%s)", before)
    assert within(30, lambda: onlooker.backend(run) not in (None, before))
    until_it_waits(shop, run, watched=False)
    filling.cut()
    assert ended(command).code == 1
    assert ended(run).json()["applied"] == ["2"]


def test_two_restores_at_once_and_the_second_is_told_that_it_was_replaced(
    shop: BackedUp, wire: Wire, second: Nself
) -> None:
    filling = wire.before(COPY)
    first = start(shop, url=wire.url)
    filling.wait()
    # From another checkout: the lock on the files is not what keeps them apart.
    (shop.project.root / ".nself/migrate/lock").unlink()
    other = second.start("backups", "restore", shop.id, "--database", "--json")
    until_it_waits(shop, other, watched=False)
    filling.go_on()
    assert ended(first).code == 0
    told = ended(other).json()
    assert (told["exit_code"], told["database"]) == (1, "unchanged")
    assert shop.databases() == [shop.name, shop.kept]


def test_a_session_of_somebody_else_is_still_waited_for_and_nobody_is_ended(
    shop: BackedUp, wire: Wire, second: Nself
) -> None:
    filling = wire.before(COPY)
    command = start(shop, "--lock-wait", "1", url=wire.url)
    filling.wait()
    run = second.start(*RUN)
    until_it_waits(shop, run, watched=False)
    onlooker = Onlooker(shop.url)
    waiter = onlooker.backend(run)
    with onlooker.locked("damage"):
        filling.go_on()
        found = ended(command).json()
        # It may have had its turn already, and be gone: but never in another session.
        assert onlooker.backend(run) in (waiter, None)
    named = [problem["message"] for problem in found["error"]["problems"]]
    assert (found["exit_code"], len(named)) == (1, 1)
    assert "nself-migrate" not in named[0]
    done = ended(run)
    assert (done.json()["applied"], "lost" in done.err) == (["2"], False)
    assert is_old(shop) is True


def test_who_has_its_turn_no_longer_shows_that_it_waits(
    shop: BackedUp, wire: Wire, second: Nself
) -> None:
    filling = wire.before(COPY)
    command = start(shop, url=wire.url)
    filling.wait()
    run = second.start(*RUN)
    until_it_waits(shop, run, watched=False)
    onlooker = Onlooker(shop.url)
    with onlooker.locked("_nself_migrations", "ACCESS EXCLUSIVE"):
        filling.cut()
        ended(command)
        onlooker.until(run, "state = 'active' AND wait_event_type = 'Lock'")
        assert [n for n in waiting(shop) if n != "nself-migrate watch"] == []
    assert ended(run).code == 0
