"""`backups restore` where it cannot work: on a standby, through a pooler that lends our session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pooler_for_tests import MISSING, PROGRAM, pooled
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, ScratchServer
from test_server_troubles import programs, standby

from nself_tasks.database.servers.binaries import Installation

__all__ = ["programs"]

WAYS = [(), ("--database",), ("--into", "looked_at"), ("--drop-old",), ("--dry-run",)]


@pytest.fixture
def shop(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    with backed_up(project, nself, database, server) as found:
        yield found


@pytest.fixture
def hot(programs: Installation) -> Iterator[str]:
    yield from standby(programs, "hot_standby = on")


@pytest.mark.parametrize("flags", WAYS, ids=" ".join)
def test_a_standby_is_refused_at_once_and_in_the_plan(
    shop: BackedUp, hot: str, flags: tuple[str, ...]
) -> None:
    refused = shop.restore(*flags, "--json", environment={"DATABASE_URL": hot})
    error = refused.json()["error"]
    assert (refused.code, error["database"]) == (1, "unchanged"), refused.out
    assert error["message"] == "the server is a standby or still in recovery, it takes no writes"
    assert "the primary" in error["hint"]
    assert "migrate:restore" not in refused.err


@pytest.mark.pooler
@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
class TestATransactionPooler:
    @pytest.mark.parametrize("mode", ["transaction", "statement"])
    @pytest.mark.parametrize("flags", WAYS, ids=" ".join)
    def test_is_refused_with_the_way_to_the_server_itself(
        self, shop: BackedUp, mode: str, flags: tuple[str, ...]
    ) -> None:
        with pooled(shop.url, mode) as pooler:
            self.is_refused(shop, pooler.url, flags)

    @pytest.mark.parametrize("flags", WAYS, ids=" ".join)
    def test_that_lists_the_target_alone_is_refused_in_the_same_words(
        self, shop: BackedUp, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import pooler_for_tests

        listed = pooler_for_tests.CONFIG.replace("* =", f"{shop.name} =")
        monkeypatch.setattr(pooler_for_tests, "CONFIG", listed)
        with pooled(shop.url, "transaction") as pooler:
            self.is_refused(shop, pooler.url, flags)

    def is_refused(self, shop: BackedUp, url: str, flags: tuple[str, ...]) -> None:
        before = shop.databases()
        refused = shop.restore(*flags, "--json", environment={"DATABASE_URL": url})
        error = refused.json()["error"]
        assert (refused.code, error["code"], error["database"]) == (1, "connection", "unchanged")
        assert "connection pooler that lends our server session" in error["message"]
        assert error["hint"].startswith("connect to the server itself")
        assert shop.databases() == before


@pytest.mark.parametrize("flags", WAYS, ids=" ".join)
def test_a_server_that_is_down_is_said_to_be_down(shop: BackedUp, flags: tuple[str, ...]) -> None:
    url = "postgresql://postgres@127.0.0.1:1/shop"
    error = shop.restore(*flags, "--json", environment={"DATABASE_URL": url}).json()["error"]
    assert error["message"].endswith("no server answers there")
    assert error["hint"] == "start it, or correct the database URL"
