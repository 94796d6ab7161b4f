"""What a draft may try on the scratch server: it does no harm, and is told of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psycopg
import pytest
from model_for_tests import Model, answers
from servers_for_tests import Nself, Project, ScratchServer, installation

from nself_tasks.database.proof import confined
from nself_tasks.database.proof.ground import Ground, prepared_ground
from nself_tasks.database.proof.judging import judged
from nself_tasks.drafting.draft import Draft, Fault
from nself_tasks.migrations.directory import collect

DOWN = "SELECT 1;"
LOOP = "DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$;"
FILL = (
    "CREATE TABLE big (x text); DO $$ BEGIN LOOP INSERT INTO big SELECT repeat('x', 900)"
    " FROM generate_series(1, 1000); END LOOP; END $$;"
)


@pytest.fixture(scope="module")
def ground(server: ScratchServer) -> Iterator[Ground]:
    """A scratch server, and beside the draft's another database that is none of its business."""
    migrations = collect([(PurePosixPath("1_t.sql"), b"CREATE TABLE t (id int PRIMARY KEY);")])
    with prepared_ground(None, migrations, installation=installation(server.kind)) as found:
        found.server.create_database("other")
        with found.connect("other") as other:
            other.execute("CREATE TABLE public.private (secret text)")
        yield found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that the server could write, were it allowed to."""
    tmp_path.chmod(0o777)
    return tmp_path / "written"


def fault(ground: Ground, up: str) -> Fault:
    """What is said of a draft that tries this, while the server goes on and all is as it was."""
    with ground.connect("postgres") as admin:
        before = _roles_and_databases(admin)
        found = judged(ground, Draft("attack", up, DOWN))
        assert _roles_and_databases(admin) == before
    assert judged(ground, Draft("good", "CREATE TABLE u (id int);", "DROP TABLE u;")).proven
    assert not found.proven
    return found.faults[0]


def _roles_and_databases(admin: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return admin.execute(
        "SELECT rolname, rolsuper, rolcreaterole FROM pg_roles UNION ALL"
        " SELECT datname, false, false FROM pg_database UNION ALL"
        " SELECT rolname || ' in ' || r.roleid::regrole, false, false FROM pg_auth_members AS r"
        " JOIN pg_roles AS m ON m.oid = r.member UNION ALL"
        " SELECT name || setting, false, false FROM pg_file_settings ORDER BY 1, 2, 3"
    ).fetchall()


FORBIDDEN = {
    "a program": "COPY t TO PROGRAM 'touch {target}';",
    "a program that is read": "COPY t FROM PROGRAM 'touch {target}; echo 1';",
    "a file that is written": "COPY t TO '{target}';",
    "a file that is read": "SELECT pg_read_file('/etc/passwd');",
    "a file that a table is filled from": "CREATE TABLE p (l text); COPY p FROM '/etc/passwd';",
    "a folder that is listed": "SELECT pg_ls_dir('/');",
    "a large object that is exported": "SELECT lo_export(lo_create(0), '{target}');",
    "a large object that is imported": "SELECT lo_import('/etc/passwd');",
    "a role that is made": "CREATE ROLE mine SUPERUSER LOGIN;",
    "the own role made a superuser": "ALTER ROLE nself_draft SUPERUSER;",
    "membership of a mighty role": "GRANT pg_execute_server_program TO nself_draft;",
    "settings of the server": "ALTER SYSTEM SET archive_command = 'touch {target}';",
    "the databases of others dropped": "DROP DATABASE other;",
    "the scratch database dropped": "DROP DATABASE nself;",
    "the schema that is copied dropped": "DROP DATABASE nself_schema;",
    "the superuser's role": "SET ROLE postgres; COPY t TO PROGRAM 'touch {target}';",
    "the superuser's session": "SET SESSION AUTHORIZATION postgres;",
    "an untrusted language": "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'getpid';",
    "a library": "LOAD '/tmp/x.so';",
    "a foreign server": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;",
    "a subscription": "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p"
    " WITH (connect = false);",
    "an event trigger": "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS"
    " 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f();",
    "another's sessions": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = 'postgres';",
    "catalogs": "UPDATE pg_authid SET rolsuper = true;",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_draft_that_asks_for_it_is_refused_by_the_server(
    ground: Ground, target: Path, what: str
) -> None:
    found = fault(ground, FORBIDDEN[what].format(target=target))
    assert found.sqlstate in ("42501", "55006", "58P01", "25001", "22023"), found
    assert not target.exists()


def test_a_connection_to_elsewhere_is_no_extension_that_a_draft_may_make(ground: Ground) -> None:
    found = judged(ground, Draft("attack", "CREATE EXTENSION dblink;", DOWN))
    assert not found.proven
    assert "dblink" in str(found.unproven)


def test_a_psql_command_is_refused_by_our_own_rules(ground: Ground, target: Path) -> None:
    found = judged(ground, Draft("attack", f"\\! touch {target}\nSELECT 1;", DOWN))
    assert [one.stage for one in found.faults] == ["screen"]
    assert not target.exists()


@pytest.mark.parametrize("lifts", ["", "SET statement_timeout = 0; "])
def test_an_endless_loop_is_ended_also_where_the_draft_lifts_its_limit(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, lifts: str
) -> None:
    monkeypatch.setattr(confined, "SECONDS", 2.0)
    began = time.monotonic()
    found = fault(ground, lifts + LOOP)
    assert time.monotonic() - began < 20
    assert found.sqlstate in ("57014", "57P01", None)


def test_a_table_that_fills_the_disk_is_ended(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "MOST_BYTES", 40 << 20)
    assert "40 MB" in fault(ground, f"SET statement_timeout = 0; {FILL}").message


def test_temporary_files_are_limited(ground: Ground) -> None:
    sort = "SELECT count(*) FROM (SELECT repeat('x', 900) || i FROM generate_series(1, 1000000)"
    assert fault(ground, f"{sort} AS i ORDER BY 1 OFFSET 1) AS s;").sqlstate == "53400"


@pytest.mark.parametrize(
    "up",
    [
        "SELECT repeat('x', 1000000000) || repeat('x', 1000000000);",
        "SET work_mem = '100GB'; SELECT array_agg(repeat('x', 999)) FROM generate_series(1, 1e8);",
    ],
    ids=["one value", "many"],
)
def test_memory_is_limited(ground: Ground, up: str) -> None:
    assert fault(ground, up).sqlstate in ("54000", "53200", "57014", "57P01", None)


EVIL = """\
CREATE FUNCTION really() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  COPY (SELECT 1) TO PROGRAM 'touch {target}'; RETURN 1;
EXCEPTION WHEN OTHERS THEN RETURN 1; END $$;
CREATE FUNCTION evil(i int DEFAULT 0) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN RETURN public.really(); END';
"""
TRAPS = {
    "a cast to JSON": "CREATE TYPE trap AS ENUM ('a'); CREATE FUNCTION j(trap) RETURNS json"
    " LANGUAGE plpgsql AS $$ BEGIN PERFORM public.evil(); RETURN '{{}}'; END $$;"
    " CREATE CAST (trap AS json) WITH FUNCTION j(trap);"
    " CREATE TABLE caught (x trap); INSERT INTO caught VALUES ('a');",
    "a function called like the server's": "CREATE FUNCTION public.pg_terminate_backend(smallint)"
    " RETURNS bool LANGUAGE sql AS 'SELECT public.evil() = 1'; CREATE FUNCTION"
    " public.pg_database_size(text) RETURNS int LANGUAGE sql AS 'SELECT public.evil()';"
    " ALTER DATABASE nself SET search_path = public, pg_catalog; SELECT pg_sleep(1);",
    "an operator for text": "CREATE FUNCTION public.same(name, text) RETURNS bool LANGUAGE sql AS"
    " 'SELECT public.evil() = 1'; CREATE OPERATOR public.= (FUNCTION = same, LEFTARG = name,"
    " RIGHTARG = text); ALTER DATABASE nself SET search_path = public, pg_catalog;",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_no_superuser_runs_what_a_draft_has_defined(
    ground: Ground, target: Path, trap: str
) -> None:
    up = EVIL.format(target=target) + TRAPS[trap].format()
    judged(ground, Draft("attack", up, DOWN))
    assert not target.exists()


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE t (id int CHECK (evil() = 1));",
        "CREATE TABLE t (id int DEFAULT evil(), x int);",
        "CREATE TABLE t (id int); CREATE INDEX ON t (evil(id));",
        "CREATE TABLE t (id int, g int GENERATED ALWAYS AS (evil(id)) STORED);",
        "CREATE DOMAIN d AS int CHECK (evil() = 1); CREATE TABLE t (id d);",
    ],
    ids=["check", "default", "index", "generated", "domain"],
)
def test_no_superuser_runs_what_the_migrations_of_a_project_have_defined(
    server: ScratchServer, target: Path, ddl: str
) -> None:
    text = EVIL.format(target=target) + ddl
    migrations = collect([(PurePosixPath("1_t.sql"), text.encode())])
    with prepared_ground(None, migrations, installation=installation(server.kind)) as found:
        assert judged(found, Draft("draft", "CREATE TABLE u ();", "DROP TABLE u;")).proven
    assert not target.exists()


def test_another_database_cannot_be_read(ground: Ground) -> None:
    assert fault(ground, "SELECT * FROM other.public.private;").sqlstate == "0A000"


def test_an_attack_is_told_of_and_nothing_is_written(
    proving: Nself, model: Model, with_users: Project, tmp_path: Path
) -> None:
    written = tmp_path / "written"
    model.plays = [answers(f"COPY users TO PROGRAM 'touch {written}';", DOWN)]
    result = proving("generate", "back up the users", "--rounds", "1")
    assert result.code == 1
    assert "42501" in result.err
    assert not written.exists()
    assert len(list(with_users.migrations.iterdir())) == 2
