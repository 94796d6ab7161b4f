"""Dumps go to newer servers and never to older ones; the dump says where it is from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import servers_for_tests as servers
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, ScratchServer
from sql_for_tests import execute


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers of different majors."""

    older: ScratchServer
    newer: ScratchServer


@pytest.fixture(scope="module")
def pair(server: ScratchServer) -> Iterator[Pair]:
    """The server of the tests and one of another kind, where that is of another major."""
    other = {"embedded": "local", "local": "embedded"}.get(server.kind, "")
    if not other or not servers.available(other):
        pytest.skip("no second kind of Postgres server")
    with servers.started(other) as found:
        if found.major == server.major:
            pytest.skip(f"both servers are PostgreSQL {server.major}")
        older, newer = sorted((server, found), key=lambda one: one.major)
        yield Pair(older, newer)


def shop_on(server: ScratchServer, project: Project, name: str) -> tuple[Nself, str]:
    url = server.create_database(name)
    return Nself(project.root, {"DATABASE_URL": url}), url


@pytest.fixture
def elsewhere(tmp_path: Path) -> Project:
    return servers.new_project(tmp_path / "elsewhere")


def moved(shop: BackedUp, to: Project) -> None:
    """Copy the backup to another checkout."""
    folder = to.root / ".nself" / "backup" / shop.id
    shutil.copytree(shop.folder, folder)


def test_an_older_dump_goes_to_a_newer_server(
    pair: Pair, project: Project, elsewhere: Project
) -> None:
    nself, url = shop_on(pair.older, project, "from_older")
    with backed_up(project, nself, url, pair.older) as shop:
        moved(shop, elsewhere)
        other, there = shop_on(pair.newer, elsewhere, "to_newer")
        done = other("backups", "restore", shop.id, "--replace", "to_newer", "--yes", "--json")
        assert done.code == 0, done.err
        assert shop.rows("SELECT count(*) FROM kept", there) == [100]
        pair.newer.drop_database(done.json()["kept"])
        pair.newer.drop_database("to_newer")


NAMES = "SELECT array_agg(name::text ORDER BY name) FROM pg_available_extensions"


def extensions_of(server: ScratchServer) -> set[str]:
    with psycopg.connect(server.url) as connection:
        [(names,)] = connection.execute(NAMES).fetchall()
    return set(names)


def test_an_extension_that_the_newer_server_lacks_is_named_and_nothing_is_changed(
    pair: Pair, project: Project, elsewhere: Project
) -> None:
    gone = min(extensions_of(pair.older) - extensions_of(pair.newer))
    nself, url = shop_on(pair.older, project, "with_extension")
    execute(url, f"CREATE EXTENSION {gone}")
    with backed_up(project, nself, url, pair.older) as shop:
        moved(shop, elsewhere)
        other, there = shop_on(pair.newer, elsewhere, "without_extension")
        execute(there, "CREATE TABLE mine ()")
        for arguments in (("--replace", "without_extension", "--yes"), ("--into", "another")):
            result = other("backups", "restore", shop.id, *arguments, "--json")
            error = result.json()["error"]
            assert (result.code, error["database"]) == (1, "unchanged")
            [problem] = error["problems"]
            assert problem["message"] == f"extension `{gone}` is not installed on the server"
        assert shop.rows("SELECT to_regclass('mine')::text", there) == ["mine"]
        pair.newer.drop_database("without_extension")


def test_a_newer_dump_is_refused_by_an_older_server_in_words(
    pair: Pair, project: Project, elsewhere: Project
) -> None:
    nself, url = shop_on(pair.newer, project, "from_newer")
    with backed_up(project, nself, url, pair.newer) as shop:
        moved(shop, elsewhere)
        other, _ = shop_on(pair.older, elsewhere, "to_older")
        for arguments in (("--replace", "to_older"), ("--into", "to_older_2")):
            result = other("backups", "restore", shop.id, *arguments, "--json")
            error = result.json()["error"]
            assert (result.code, error["code"], error["database"]) == (1, "guard", "unchanged")
            said = (
                f"from PostgreSQL {pair.newer.major}, the server is PostgreSQL {pair.older.major}"
            )
            assert said in error["message"]
        pair.older.drop_database("to_older")


def test_a_manifest_that_claims_an_older_server_deceives_nobody(
    pair: Pair, project: Project, elsewhere: Project
) -> None:
    nself, url = shop_on(pair.newer, project, "from_newer")
    with backed_up(project, nself, url, pair.newer) as shop:
        shop.manifest(server_version=pair.older.major * 10_000)
        moved(shop, elsewhere)
        other, _ = shop_on(pair.older, elsewhere, "to_older")
        result = other("backups", "restore", shop.id, "--replace", "to_older", "--json")
        assert (result.code, result.json()["error"]["database"]) == (1, "unchanged")
        pair.older.drop_database("to_older")
