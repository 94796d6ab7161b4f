"""A restore of database and files whose files' part is stopped once the database is replaced."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import v1_projects
from observation import violations
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, ScratchServer
from test_restore_crash import SWAP, ended, start
from wire import Wire, between

COMPOSE = "docker-compose.yml"


@pytest.fixture
def shop(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    """A v1 project that a run has brought to v2, with a migration: its backup has both."""
    v1_projects.write(project.root)
    with backed_up(project, nself, database, server) as found:
        yield found


@pytest.fixture
def wire(shop: BackedUp) -> Iterator[Wire]:
    with between(shop.url) as proxy:
        yield proxy


def edited(shop: BackedUp) -> None:
    shop.project.write(COMPOSE, "services: {}\n")


def without_its_manifest(shop: BackedUp) -> None:
    (shop.folder / "manifest.json").unlink()


def stopped_after_the_exchange(
    shop: BackedUp, wire: Wire, by: Callable[[BackedUp], None], *arguments: str
) -> Any:
    """Restore both; `by` happens when the names are about to be swapped."""
    swap = wire.before("COMMIT", since=SWAP)
    command = start(shop, *arguments, url=wire.url)
    swap.wait()
    by(shop)
    swap.go_on()
    return ended(command)


@pytest.mark.parametrize("by", [edited, without_its_manifest])
def test_the_answer_says_that_the_database_was_replaced_and_how_to_go_on(
    shop: BackedUp, wire: Wire, by: Callable[[BackedUp], None]
) -> None:
    compose = (shop.project.root / COMPOSE).read_text()
    result = stopped_after_the_exchange(shop, wire, by)
    found = result.json()
    assert (result.code, violations(found, "restore")) == (1, [])
    assert (found["database"], found["restored"]) == ("restored", shop.name)
    assert (found["kept"], found["error"]["database"]) == (shop.kept, "advanced")
    assert (
        f"`{shop.name}` is the restored database; the old one is kept as `{shop.kept}`"
        in (found["state"])
    )
    assert f"backups restore {shop.id} --files`" in found["error"]["hint"]
    assert f"backups restore {shop.id} --drop-old`" in found["error"]["hint"]
    assert shop.databases() == [shop.name, shop.kept]
    assert ((shop.project.root / COMPOSE).read_text() == compose) == (by is not edited)
    if by is without_its_manifest:
        assert "The files are as they were" in found["state"]


def test_the_text_says_so_too(shop: BackedUp, wire: Wire) -> None:
    swap = wire.before("COMMIT", since=SWAP)
    command = shop.nself.start(
        "backups", "restore", shop.id, environment={"DATABASE_URL": wire.url}
    )
    swap.wait()
    without_its_manifest(shop)
    swap.go_on()
    said = ended(command).err
    assert f"the old one is kept as `{shop.kept}`. The files are as they were." in said
    assert "--drop-old" in said


def test_the_command_that_it_names_does_the_rest_and_replaces_nothing(
    shop: BackedUp, wire: Wire
) -> None:
    assert stopped_after_the_exchange(shop, wire, edited).code == 1
    restored = shop.oid()
    assert shop.restore("--files", "--force-files").code == 0
    assert (shop.oid(), shop.databases()) == (restored, [shop.name, shop.kept])
    assert shop.nself("detect", "--strict").code == 3
    assert shop.restore("--drop-old").code == 0
    assert shop.databases() == [shop.name]


def test_nobody_gets_at_the_files_between_the_two_parts(shop: BackedUp, wire: Wire) -> None:
    swap = wire.before("COMMIT", since=SWAP)
    command = start(shop, url=wire.url)
    swap.wait()
    other = shop.nself("rollback", "--files", "--lock-wait", "0", "--json")
    assert (other.code, other.json()["error"]["code"]) == (1, "lock")
    swap.go_on()
    assert ended(command).code == 0
    assert shop.nself("detect", "--strict").code == 3


def test_a_signal_in_the_files_part_is_no_unchanged_database(shop: BackedUp, wire: Wire) -> None:
    swap = wire.after("COMMIT", since=SWAP)
    command = start(shop, url=wire.url)
    swap.wait()
    command.send_signal(signal.SIGTERM)
    swap.go_on()
    found = ended(command).json()
    assert (found["exit_code"], found["database"]) == (143, "restored")
    assert found["kept"] == shop.kept


@pytest.mark.parametrize("command", [("restore", "--files"), ("restore",), ("rollback",)])
def test_the_files_are_waited_for_as_long_as_was_asked_for(
    shop: BackedUp, command: tuple[str, ...]
) -> None:
    path: Path = shop.project.root / ".nself/migrate/lock"
    with path.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wait = ("--lock-wait", "0.5", "--json")
        if command[0] == "restore":
            result = shop.restore(*command[1:], *wait)
        else:
            result = shop.nself("rollback", "--files", *wait)
    error = result.json()["error"]
    assert (result.code, error["code"], error["database"]) == (1, "lock", "unchanged")
    assert "waiting up to 0.5 s" in result.err
