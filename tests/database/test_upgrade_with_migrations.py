"""One `run` that upgrades the files and applies migrations: in which order, and what stays."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import v1_projects
from servers_for_tests import Nself, Project
from sql_for_tests import applied, rows, tables
from v1_projects import tree

SITE = "nginx/sites/hasura.conf"
DOWN = "postgresql://postgres@127.0.0.1:1/shop"


@pytest.fixture
def shop(project: Project, database: str) -> Project:
    """A v1 project with two pending migrations."""
    v1_projects.write(project.root)
    project.migration("1", "a", "CREATE TABLE a (i int);", "DROP TABLE a;")
    project.migration("2", "b", "CREATE TABLE b (i int);", "DROP TABLE b;")
    return project


def manifests(project: Project) -> list[Path]:
    return sorted(project.root.glob(".nself/backup/*/manifest.json"))


def test_files_and_database_are_upgraded_by_one_run(
    shop: Project, nself: Nself, database: str
) -> None:
    result = nself("run")
    assert result.code == 0, result.err
    assert tables(database) == ["a", "b"]
    assert nself("detect", "--strict").code == 0
    assert nself("status", "--strict").code == 0


def test_files_and_database_share_one_backup(shop: Project, nself: Nself) -> None:
    nself("run")
    [path] = manifests(shop)
    manifest = json.loads(path.read_text())
    assert {"docker-compose.yml", ".env"} <= {entry["source"] for entry in manifest["files"]}
    dump = path.parent / manifest["database"]["dump"]
    assert dump.stat().st_size == manifest["database"]["size"]


def test_the_files_change_after_the_last_migration(shop: Project, nself: Nself) -> None:
    plan = nself("run", "--dry-run", "--json").json()
    stages = [step["stage"] for step in plan["steps"]]
    assert stages.index("stage") < stages.index("backup") < stages.index("apply")
    assert max(n for n, s in enumerate(stages) if s == "apply") < stages.index("install")
    assert stages[-2:] == ["record", "hasura"]


def test_a_failed_migration_leaves_the_files_as_they_were(
    shop: Project, nself: Nself, database: str
) -> None:
    path = shop.migration("3", "c", "CREATE TABLE c (i int, i int);")
    before = tree(shop.root)
    result = nself("run")
    assert (result.code, applied(database)) == (1, ["1", "2"])
    assert tree(shop.root) == before
    assert "No file of the project was changed" in result.err
    path.write_text("CREATE TABLE c (i int);")
    assert nself("run").code == 0
    assert nself("detect", "--strict").code == 0
    assert applied(database) == ["1", "2", "3"]


def test_with_the_database_down_nothing_is_changed_and_the_ways_out_are_named(
    shop: Project, nself: Nself
) -> None:
    before = tree(shop.root)
    for dry in ([], ["--dry-run"]):
        result = nself("run", "--database-url", DOWN, *dry)
        assert result.code == 1
        assert "docker compose up -d postgres" in result.err
        assert "--files-only" in result.err
    assert tree(shop.root) == before
    assert manifests(shop) == []


def test_files_only_needs_no_database(shop: Project, nself: Nself, database: str) -> None:
    result = nself("run", "--files-only", "--database-url", DOWN)
    assert result.code == 0, result.err
    assert nself("detect", "--strict").code == 0
    assert tables(database) == []


def test_schema_only_applies_migrations_and_leaves_the_files(
    shop: Project, nself: Nself, database: str
) -> None:
    before = tree(shop.root)
    assert nself("run", "--schema-only").code == 0
    assert applied(database) == ["1", "2"]
    assert tree(shop.root) == before


def test_a_file_changed_while_the_migrations_run_is_not_overwritten(
    shop: Project, nself: Nself, database: str
) -> None:
    shop.migration("3", "slow", "SELECT pg_sleep(3);")
    before = tree(shop.root)
    run = nself.start("run")
    deadline = time.monotonic() + 30
    while not rows(database, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (shop.root / SITE).write_text("# changed meanwhile\n")
    _, err = run.communicate(timeout=60)
    assert (run.returncode, SITE in err) == (1, True)
    assert applied(database) == ["1", "2", "3"]
    expected = {**before, SITE: (before[SITE][0], b"# changed meanwhile\n")}
    assert tree(shop.root) == expected
    assert nself("run").code == 0
    assert (shop.root / SITE).read_text() == "# changed meanwhile\n"


def test_a_plain_rollback_undoes_the_migration_and_leaves_the_files(
    shop: Project, nself: Nself, database: str
) -> None:
    nself("run")
    before = tree(shop.root)
    assert nself("rollback").code == 0
    assert applied(database) == ["1"]
    assert tree(shop.root) == before


def test_a_rollback_of_files_leaves_the_database(
    shop: Project, nself: Nself, database: str
) -> None:
    before = tree(shop.root)
    nself("run")
    assert nself("rollback", "--files").code == 0
    assert tree(shop.root) == before
    assert applied(database) == ["1", "2"]


def test_the_same_database_is_meant_before_and_after(shop: Project, nself: Nself) -> None:
    without = {"DATABASE_URL": ""}
    (shop.root / ".env").write_text(v1_projects.ENV + "DATABASE_URL=postgres://a:pw@db.example/x\n")
    (shop.root / ".env.dev").write_text("DATABASE_URL=postgres://a:pw@other.example/y\n")
    first = nself("run", "--dry-run", "--offline", "--json", environment=without).json()
    assert nself("run", "--files-only", environment=without).code == 0
    second = nself("run", "--dry-run", "--offline", "--json", environment=without).json()
    assert first["target"] == second["target"] == "postgres://a:***@db.example:5432/x"
