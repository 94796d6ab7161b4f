"""What a restore remembers, and the manifests of backups, may have been written by a stranger."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import psycopg
import pytest
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.database.servers.sockets import with_database

DEEP = "[" * 200_000
BAD = (
    {"created": 7},
    {"created": [7]},
    {"reason": 7},
    {"project_dir": [1]},
    {"environment": {}},
    {"database": {"dump": "d", "sha256": "x", "identity": "i", "not_in_the_dump": [1]}},
    {"database": 7},
    {"files": [7]},
)


@pytest.fixture
def shop(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    with backed_up(project, nself, database, server) as found:
        yield found


def remember(shop: BackedUp, name: str) -> None:
    """Write down that a restore was about to make this database when it died."""
    [system] = shop.rows("SELECT system_identifier::text FROM pg_control_system()")
    record = shop.project.root / ".nself/migrate/restored.json"
    record.write_text(json.dumps({"making": {"name": name, "system": system}}))


def make(shop: BackedUp, name: str, *, table: bool) -> None:
    with psycopg.connect(shop.server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')  # type: ignore[arg-type]
    if table:
        with psycopg.connect(with_database(shop.server_url, name)) as inside:
            inside.execute("CREATE TABLE precious ()")


@pytest.mark.parametrize("named", ["like ours", "otherwise"])
def test_a_database_without_our_mark_that_holds_something_is_never_dropped(
    shop: BackedUp, named: str
) -> None:
    name = shop.half if named == "like ours" else f"{shop.name}_precious"
    make(shop, name, table=True)
    remember(shop, name)
    done = shop.restore("--database")
    assert (done.code, name in shop.databases()) == (0, True), done.err


def test_an_empty_one_of_another_name_is_not_dropped_either(shop: BackedUp) -> None:
    name = f"{shop.name}_empty"
    make(shop, name, table=False)
    remember(shop, name)
    assert shop.restore("--database").code == 0
    assert name in shop.databases()


def test_one_in_which_somebody_is_stays(shop: BackedUp) -> None:
    make(shop, shop.half, table=False)
    remember(shop, shop.half)
    with psycopg.connect(with_database(shop.server_url, shop.half)):
        assert shop.restore("--database").code == 0
    assert shop.half in shop.databases()


def test_what_a_killed_restore_had_only_made_is_dropped(shop: BackedUp) -> None:
    make(shop, shop.half, table=False)
    remember(shop, shop.half)
    done = shop.restore("--database")
    assert f"dropped `{shop.half}`" in done.err
    assert shop.half not in shop.databases()


@pytest.mark.parametrize("what", ["a pipe", "deep", "a folder"])
def test_a_memory_that_cannot_be_read_is_none(shop: BackedUp, what: str) -> None:
    record = shop.project.root / ".nself/migrate/restored.json"
    if what == "deep":
        record.write_text(DEEP)
    elif what == "a pipe":
        os.mkfifo(record)
    else:
        record.mkdir()
    done = shop.restore("--database", "--dry-run")
    assert (done.code, "Traceback" in done.err) == (0, False), done.err


@pytest.mark.parametrize("what", ["a pipe", "deep", *map(json.dumps, BAD)])
def test_a_manifest_of_a_stranger_is_named_and_hides_no_other_backup(
    shop: BackedUp, what: str
) -> None:
    bad = "20200101-000000"
    manifest = shop.folder.parent / bad / "manifest.json"
    manifest.parent.mkdir()
    if what == "a pipe":
        os.mkfifo(manifest)
    else:
        about = {"timestamp": bad, "files": []}
        manifest.write_text(DEEP if what == "deep" else json.dumps(about | json.loads(what)))
    listed = shop.nself("backups", "list", "--json").json()["backups"]
    assert {each["id"]: each["state"] for each in listed}[bad] == "unreadable"
    assert shop.id in [each["id"] for each in listed]
    for action in ("show", "verify", "restore"):
        done = shop.nself("backups", action, bad)
        assert done.code in (0, 1)
        assert "Traceback" not in done.err


def test_a_time_without_its_zone_is_not_believed(shop: BackedUp) -> None:
    bad = "20200101-000000"
    manifest = shop.folder.parent / bad / "manifest.json"
    manifest.parent.mkdir()
    about = {"timestamp": bad, "files": [], "taken_at": "2026-01-01T00:00:00"}
    manifest.write_text(json.dumps(about))
    listed = shop.nself("backups", "list", "--json").json()["backups"]
    [found] = [each for each in listed if each["id"] == bad]
    assert found["taken_at"].startswith(("2020-01-01", "2019-12-31"))
