"""`backups restore --disconnect` beside programs that come back at once, as Hasura does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.database import sessions


@pytest.fixture
def shop(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    with backed_up(project, nself, database, server) as found:
        yield found


@pytest.fixture
def stubborn(shop: BackedUp) -> Iterator[None]:
    """Four clients of the database that connect again as soon as they are ended."""
    over = threading.Event()

    def stay() -> None:
        while not over.is_set():
            try:
                with psycopg.connect(shop.url, application_name="stubborn") as connection:
                    while not over.is_set():
                        connection.execute("SELECT pg_sleep(0.01)")
            except psycopg.OperationalError:
                continue

    clients = [threading.Thread(target=stay) for _ in range(4)]
    for client in clients:
        client.start()
    yield
    over.set()
    for client in clients:
        client.join()


@pytest.mark.usefixtures("stubborn")
def test_it_is_done_or_says_to_stop_them_and_never_mixes(shop: BackedUp) -> None:
    shop.damage()
    done = shop.restore("--disconnect", "--json")
    if done.code == 0:
        assert shop.rows("SELECT count(*) FROM kept") == [100]
    else:
        assert "stop the programs that reconnect" in done.json()["error"]["hint"]
        assert shop.rows("SELECT to_regclass('damage') IS NULL") == [False]


def test_who_has_disconnected_already_is_not_told_to_disconnect() -> None:
    found = [sessions.OpenSession(7, "nhost", "hasura", "10.0.0.3", "2026-11-24 06:00:00 UTC")]
    told = sessions.in_the_way("shop", found, disconnect=True)
    assert "--disconnect" not in told.hint
    assert "hasura" in str(told.problems[0].message)
    assert "--disconnect" in sessions.in_the_way("shop", found).hint
