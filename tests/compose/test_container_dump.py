"""The dump from the container of the Compose stack: when it is taken there, and when never."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import docker_for_tests
import psycopg
import pytest
from docker_for_tests import Docker
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.compose_exec import Stack
from nself_tasks.database import connection as connecting
from nself_tasks.database import dump as dumping
from nself_tasks.database.container_dump import ContainerTool, in_container
from nself_tasks.database.servers.binaries import Installation, dump_tools
from nself_tasks.errors import BackupFailed


@pytest.fixture
def one(project: Project, database: str) -> Project:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (x text)")
        connection.execute("INSERT INTO kept VALUES ('before')")
    project.migration("1", "a", "INSERT INTO kept VALUES ('after');")
    return project


@pytest.fixture
def stack(docker: Docker) -> Stack:
    return Stack(f"{docker.path}/docker", "demo")


def manifest(project: Project) -> dict[str, Any]:
    [found] = (project.root / ".nself" / "backup").glob("*/manifest.json")
    return json.loads(found.read_text())["database"] | {"folder": found.parent}


def test_without_local_programs_the_container_of_the_server_dumps(
    one: Project, nself: Nself, bare: dict[str, str], server: ScratchServer
) -> None:
    done = nself("run", environment=bare)
    assert done.code == 0, done.err
    assert f"pg_dump {server.major} (compose)" in done.err
    about = manifest(one)
    assert about["tool"] == f"pg_dump {server.major} (compose)"
    dump = about["folder"] / "database.dump"
    assert (dump.stat().st_mode & 0o777, about["size"]) == (0o600, dump.stat().st_size)
    assert about["entries"] > 0


def test_its_dump_restores_what_was_there_before_the_run(
    one: Project, nself: Nself, bare: dict[str, str], server: ScratchServer, tools: Installation
) -> None:
    assert nself("run", environment=bare).code == 0
    url = server.create_database("from_the_container")
    try:
        dump = str(manifest(one)["folder"] / "database.dump")
        restore = [tools.program("pg_restore"), "--exit-on-error", f"--dbname={url}", dump]
        subprocess.run(restore, check=True)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT x FROM kept").fetchall() == [("before",)]
    finally:
        server.drop_database("from_the_container")


def test_a_plan_names_the_tool(one: Project, nself: Nself, bare: dict[str, str]) -> None:
    plan = nself("run", "--dry-run", "--json", environment=bare).json()
    [step] = [s for s in plan["steps"] if s["id"] == "migrate:backup:database"]
    assert "(compose) takes one" in step["reasons"][0]
    assert not (one.root / ".nself" / "backup").exists()


def test_local_programs_of_the_servers_version_come_first_and_docker_is_not_asked(
    one: Project, nself: Nself, docker: Docker, inside: Installation
) -> None:
    named = {"NSELF_PG_BINDIR": str(inside.bin_dir), "PATH": docker.path}
    assert nself("run", environment=named).code == 0
    assert manifest(one)["tool"] == f"pg_dump {inside.major} (environment)"
    assert docker.calls == []


def test_the_container_comes_before_the_wheel(
    one: Project, nself: Nself, docker: Docker, tmp_path: Path, server: ScratchServer
) -> None:
    site = tmp_path / "sitecustomize.py"
    site.write_text("from nself_tasks.database.servers import binaries\nbinaries.PLACES = ()\n")
    here = {"PYTHONPATH": str(tmp_path), "PATH": docker.path}
    assert nself("run", environment=here).code == 0
    assert manifest(one)["tool"] == f"pg_dump {server.major} (compose)"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"state": "exited"},
        {"folder": "/somewhere/else"},
        {"engine": False},
        {"environment": {"PGHOST": "/nowhere"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_without_a_container_that_is_the_server_nothing_is_changed(
    one: Project, nself: Nself, docker: Docker, bare: dict[str, str], change: dict[str, Any]
) -> None:
    docker.set(**change)
    done = nself("run", "--json", environment=bare)
    error = done.json()["error"]
    assert (done.code, error["code"], error["database"]) == (1, "backup", "unchanged")
    assert not list(one.root.glob(".nself/backup/*/"))
    assert "pg_dump" not in [call[-1] for call in docker.calls]


def test_a_plan_warns_where_a_run_would_have_no_tool(
    one: Project, nself: Nself, docker: Docker, bare: dict[str, str]
) -> None:
    docker.set(engine=False)
    planned = nself("run", "--dry-run", environment=bare)
    assert planned.code == 0
    assert "warning: a run would stop at its backup: no `pg_dump` of PostgreSQL" in planned.err


def test_a_container_with_another_servers_database_of_the_same_name_is_refused(
    stack: Stack, docker: Docker, database: str, inside: Installation
) -> None:
    """Same name, same version, even the same data: only the server's start tells them apart."""
    from nself_tasks.database.servers.scratch import open_scratch

    with (
        open_scratch(installation=inside) as other,
        connecting.connect(database, application="test") as connection,
    ):
        other.create_database(connection.info.dbname)
        docker.set(environment=docker_for_tests.libpq(other.url))
        found = in_container(stack, connection, connecting.facts(connection))
    assert found == (
        "the container of `postgres` in the stack `demo` is not the server of this database"
    )


def test_a_container_with_programs_of_another_version_is_refused(
    stack: Stack, docker: Docker, database: str, server: ScratchServer
) -> None:
    docker.take("pg_restore")
    docker.put(["pg_restore"], folder=_saying(docker, "pg_restore (PostgreSQL) 9.6.1"))
    with connecting.connect(database, application="test") as connection:
        found = in_container(stack, connection, connecting.facts(connection))
    assert isinstance(found, str)
    assert f"has no `pg_dump` of PostgreSQL {server.major}" in found


def _saying(docker: Docker, text: str) -> Path:
    folder = docker.home / "old"
    folder.mkdir()
    (folder / "pg_restore").write_text(f"#!/bin/sh\necho '{text}'\n")
    (folder / "pg_restore").chmod(0o755)
    return folder


def test_the_password_is_on_no_command_line(
    stack: Stack, docker: Docker, database: str, tmp_path: Path
) -> None:
    url = database.replace("//postgres@", "//postgres:o8s-Kettle@")
    with connecting.connect(url, application="test") as connection:
        tool = in_container(stack, connection, connecting.facts(connection))
        assert isinstance(tool, ContainerTool)
        tool.dump(connection, tmp_path / "d")
    assert dumping.verify(tool.restorer, tmp_path / "d") >= 0
    assert any("PGPASSWORD" in call for call in docker.calls)
    assert "o8s-Kettle" not in str(docker.calls)
    assert "o8s-Kettle" not in repr(tool)


def test_restore_fills_another_database_of_the_same_server(
    stack: Stack, one: Project, database: str, server: ScratchServer, tmp_path: Path
) -> None:
    assert one.root.exists()
    name = "it's = \\ here"
    url = server.create_database(name)
    try:
        with connecting.connect(database, application="test") as connection:
            tool = in_container(stack, connection, connecting.facts(connection))
            assert isinstance(tool, ContainerTool)
            tool.dump(connection, tmp_path / "d")
        with connecting.connect(url, application="test") as fresh:
            tool.restorer.fill(fresh, tmp_path / "d")
            with pytest.raises(BackupFailed) as failed:
                tool.restorer.fill(fresh, tmp_path / "d")
        assert 'relation "kept" already exists' in (failed.value.detail or "")
        with psycopg.connect(url) as restored:
            assert restored.execute("SELECT x FROM kept").fetchall() == [("before",)]
    finally:
        server.drop_database(name)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_dump_that_was_cut_off_on_its_way_is_not_taken_for_one(
    stack: Stack, database: str, tmp_path: Path, cut: float
) -> None:
    with connecting.connect(database, application="test") as connection:
        connection.execute(
            "CREATE TABLE filled AS SELECT md5(i::text) FROM generate_series(1,999) i"
        )
        tool = in_container(stack, connection, connecting.facts(connection))
        assert isinstance(tool, ContainerTool)
        tool.dump(connection, tmp_path / "d")
    whole = (tmp_path / "d").read_bytes()
    (tmp_path / "d").write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(BackupFailed, match="cannot be read back"):
        dumping.verify(tool.restorer, tmp_path / "d")


def test_an_array_from_an_older_compose_is_understood_too(
    one: Project, nself: Nself, docker: Docker, bare: dict[str, str]
) -> None:
    docker.set(array=True)
    assert nself("run", environment=bare).code == 0
    assert manifest(one)["tool"].endswith("(compose)")


def test_nothing_of_the_projects_folder_decides_what_docker_is_told(
    one: Project, nself: Nself, docker: Docker, bare: dict[str, str]
) -> None:
    one.write(".env", "PROJECT_NAME=demo\nCOMPOSE_FILE=evil.yml\nDOCKER_HOST=tcp://evil\n")
    stray = {"COMPOSE_FILE": "other.yml", "COMPOSE_PROFILES": "x"}
    assert nself("run", environment=bare | stray).code == 0
    log = (docker.home / "calls.jsonl").read_text().splitlines()
    assert {json.loads(line)["cwd"] for line in log} == {"/"}
    assert "evil" not in "".join(log)


def test_the_tools_of_this_machine_are_still_found_by_version(server: ScratchServer) -> None:
    found = dump_tools(server.major)
    assert found is None or found.major == server.major
