"""What the server would refuse is said before the first statement; what it takes never is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from servers_for_tests import Nself, Project, Result, ScratchServer
from sql_for_tests import applied, execute, rows, tables

from nself_tasks.database import activity


@pytest.fixture
def clerk(server: ScratchServer, database: str) -> Iterator[str]:
    """The name of a role without any rights, but for a history table of its own making."""
    name = f"clerk_{secrets.token_hex(4)}"
    execute(
        database,
        f"CREATE ROLE {name} LOGIN PASSWORD 'x'",
        f"CREATE ROLE {name}_boss",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {name}",
        "CREATE TABLE orders (id int)",
        "CREATE VIEW recent AS SELECT * FROM orders",
        "CREATE TYPE mood AS ENUM ('good')",
        "CREATE SCHEMA shop",
    )
    yield name
    for role in (name, f"{name}_boss"):
        execute(database, f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


@pytest.fixture
def as_clerk(nself: Nself, clerk: str, database: str) -> Nself:
    """The command as that role."""
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    url = parts._replace(netloc=f"{clerk}:x@{host}").geturl()
    return Nself(nself.root, {"DATABASE_URL": url}, nself.running)


def problems(result: Result) -> list[tuple[str, int]]:
    """Message and line of each problem of an error."""
    return [(p["message"], p["line"]) for p in result.json()["error"]["problems"]]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER TABLE orders ADD x int;", "must be owner of public.orders"),
        ("CREATE INDEX ON orders (id);", "must be owner of public.orders"),
        ("DROP VIEW recent;", "must be owner of public.recent"),
        ("ALTER TYPE mood ADD VALUE 'bad';", "must be owner of public.mood"),
        ("DROP SCHEMA shop;", "must be owner of shop"),
        ("CREATE TABLE shop.a (i int);", "may not create anything in the schema shop"),
        ("CREATE SCHEMA own;", "may not create a schema in the database"),
    ],
)
def test_a_missing_right_is_refused_before_anything_in_the_plan_as_well(
    project: Project, as_clerk: Nself, database: str, sql: str, said: str
) -> None:
    project.migration("1", "fine", "CREATE TABLE fine (id int);")
    project.migration("2", "not_ours", f"SELECT 1;\n{sql}")
    for flags in (["--dry-run"], ["--skip-backup"]):
        result = as_clerk("run", *flags, "--json")
        [(message, line)] = problems(result)
        assert (result.code, line) == (1, 2)
        assert said in message
        assert f"`{sql.removesuffix(';')}`" in message
        assert result.json()["error"]["database"] == "unchanged"
        assert "GRANT" in result.json()["error"]["hint"]
    assert "fine" not in tables(database)
    assert rows(database, "SELECT to_regclass('public._nself_migrations')") == [None]


def test_the_server_says_the_same_of_each_of_these(
    project: Project, as_clerk: Nself, clerk: str, database: str
) -> None:
    """A statement that hides behind a DO is left to the server: then it is its own error."""
    project.migration("1", "hidden", "DO $$BEGIN END$$; ALTER TABLE orders ADD x int;")
    result = as_clerk("run", "--skip-backup", "--json")
    assert result.code == 1
    assert result.json()["error"]["facts"]["sqlstate"] == "42501"
    assert clerk


def test_all_that_is_missing_is_said_at_once(project: Project, as_clerk: Nself) -> None:
    project.migration("1", "a", "ALTER TABLE orders ADD x int;\nDROP VIEW recent;")
    project.migration("2", "b", "CREATE TABLE shop.a (i int);")
    assert [line for _, line in problems(as_clerk("run", "--json"))] == [1, 2, 1]


def test_the_down_of_a_rollback_is_asked_as_well(
    project: Project, as_clerk: Nself, database: str
) -> None:
    project.migration("1", "a", "CREATE TABLE a (i int);", "DROP VIEW recent;")
    assert as_clerk("run", "--skip-backup").code == 0
    assert "must be owner" in problems(as_clerk("rollback", "--skip-backup", "--json"))[0][0]
    assert applied(database) == ["1"]


@pytest.mark.parametrize(
    "grant",
    [
        "GRANT {boss} TO {clerk}",
        "ALTER TABLE orders OWNER TO {clerk}",
        "ALTER ROLE {clerk} SUPERUSER",
    ],
)
def test_a_role_that_has_the_right_in_any_way_is_not_refused(
    project: Project, as_clerk: Nself, clerk: str, database: str, grant: str
) -> None:
    boss = f"{clerk}_boss"
    execute(database, f"ALTER TABLE orders OWNER TO {boss}", grant.format(boss=boss, clerk=clerk))
    project.migration("1", "a", "ALTER TABLE orders ADD x int; CREATE INDEX ON orders (x);")
    result = as_clerk("run", "--skip-backup")
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    "sql",
    [
        "SET ROLE {clerk}_boss; ALTER TABLE orders ADD x int;",
        "SET LOCAL ROLE {clerk}_boss; ALTER TABLE orders ADD x int; RESET ROLE;",
        "CREATE TABLE t (i int); ALTER TABLE t ADD j int; CREATE INDEX ON t (j); DROP TABLE t;",
        "CREATE TEMP TABLE orders (i int); ALTER TABLE orders ADD j int;",
        "CREATE SCHEMA IF NOT EXISTS shop; CREATE TABLE IF NOT EXISTS orders (id int);",
        "SELECT set_config('search_path', 'pg_temp', true); CREATE TEMP TABLE a (i int);",
        "DROP TABLE IF EXISTS nothing;",
    ],
)
def test_what_the_server_takes_is_not_refused(
    project: Project, as_clerk: Nself, clerk: str, database: str, sql: str
) -> None:
    # NOINHERIT: the right comes with SET ROLE alone.
    execute(
        database,
        f"ALTER TABLE orders OWNER TO {clerk}_boss",
        f"ALTER ROLE {clerk} NOINHERIT",
        f"GRANT {clerk}_boss TO {clerk}",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {clerk}_boss",
        f"DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {clerk}',"
        " current_database()); END$$",
    )
    project.migration("1", "a", sql.format(clerk=clerk))
    planned = as_clerk("run", "--dry-run")
    assert planned.code == 0, planned.err
    result = as_clerk("run", "--skip-backup")
    assert result.code == 0, result.err


def test_a_function_with_its_owners_rights_is_left_to_the_server(
    project: Project, as_clerk: Nself, clerk: str, database: str
) -> None:
    execute(
        database,
        "CREATE FUNCTION give() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS"
        f" $$BEGIN ALTER TABLE orders OWNER TO {clerk}; END$$",
    )
    project.migration("1", "a", "SELECT give(); ALTER TABLE orders ADD x int;")
    result = as_clerk("run", "--skip-backup")
    assert result.code == 0, result.err


def test_where_an_event_trigger_is_enabled_the_rights_are_left_to_the_server(
    project: Project, as_clerk: Nself, clerk: str, database: str
) -> None:
    execute(
        database,
        "CREATE FUNCTION give() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        f" $$BEGIN ALTER TABLE public.orders OWNER TO {clerk}; END$$",
        "CREATE EVENT TRIGGER giving ON ddl_command_start WHEN TAG IN ('CREATE TABLE')"
        " EXECUTE FUNCTION give()",
    )
    project.migration("1", "a", "CREATE TABLE t (i int); ALTER TABLE orders ADD x int;")
    result = as_clerk("run", "--skip-backup")
    assert result.code == 0, result.err


def test_a_statement_that_needs_a_newer_server_is_refused_or_runs(
    project: Project, nself: Nself, database: str, server_major: int
) -> None:
    project.migration("1", "a", "CREATE TABLE a (i int);")
    project.migration(
        "2", "b", "CREATE TABLE b (i int,\n j int GENERATED ALWAYS AS (i * 2) VIRTUAL);"
    )
    result = nself("run", "--skip-backup", "--json")
    if server_major >= 18:
        assert (result.code, tables(database)) == (0, ["a", "b"])
        return
    assert problems(result) == [
        (f"a virtual generated column needs PostgreSQL 18, the server is {server_major}", 1)
    ]
    assert (result.code, tables(database)) == (1, [])
    assert nself("run", "--dry-run").code == 1


@pytest.fixture
def any_age(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    """A transaction counts as long from its first moment on: the only thing made up is time."""
    monkeypatch.setattr(activity, "LONG_SECONDS", 0.0)
    monkeypatch.setenv("DATABASE_URL", database)


@pytest.fixture
def orders(project: Project, database: str) -> Project:
    """A table that somebody reads, and a pending file that changes it."""
    execute(database, "CREATE TABLE orders (id int)", "CREATE TABLE other (id int)")
    project.migration("1", "a", "ALTER TABLE orders ADD x int;")
    return project


@pytest.mark.usefixtures("any_age")
def test_a_long_transaction_on_a_table_that_is_to_change_is_refused_by_name(
    orders: Project, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from nself_tasks.cli import main

    with psycopg.connect(database, application_name="report") as reader:
        reader.execute("SELECT * FROM orders")
        code = main(["run", "--skip-backup", "--project", str(orders.root)])
        said = capsys.readouterr().err
        pid, user = reader.info.backend_pid, reader.info.user
    assert code == 1
    assert f"backend {pid} of `{user}` (`report`, idle in transaction)" in said
    assert "holds a lock on public.orders, for which `ALTER TABLE orders ADD x int` would" in said
    assert rows(database, "SELECT to_regclass('public._nself_migrations')") == [None]


@pytest.mark.usefixtures("any_age")
def test_a_long_transaction_elsewhere_is_a_note(
    orders: Project, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from nself_tasks.cli import main

    with psycopg.connect(database, application_name="report") as reader:
        reader.execute("SELECT * FROM other")
        code = main(["run", "--skip-backup", "--project", str(orders.root)])
    assert code == 0
    assert "note: backend" in (said := capsys.readouterr().err)
    assert "(`report`, idle in transaction) has been in a transaction" in said


def test_a_short_transaction_is_not_mentioned(orders: Project, nself: Nself, database: str) -> None:
    with psycopg.connect(database) as reader:
        reader.execute("SELECT * FROM orders")
        planned = nself("run", "--dry-run")
    assert (planned.code, "backend" in planned.err) == (0, False)
    assert orders.root.exists()


def test_what_a_migration_has_done_before_it_resumes_is_not_asked_again(
    project: Project, as_clerk: Nself, clerk: str, database: str
) -> None:
    boss = f"{clerk}_boss"
    execute(
        database,
        f"ALTER ROLE {clerk} NOINHERIT",
        f"GRANT {boss} TO {clerk}",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {boss}",
        f"ALTER TABLE orders OWNER TO {clerk}",
    )
    project.migration(
        "1",
        "given_away",
        f"CREATE TABLE own (i int);\nALTER TABLE orders OWNER TO {boss};\n"
        "CREATE INDEX CONCURRENTLY ON own (nothing);",
    )
    for _ in range(2):
        error = as_clerk("run", "--skip-backup", "--json").json()["error"]
        assert error["facts"]["sqlstate"] == "42703", error
