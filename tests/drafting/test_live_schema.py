"""The schema that a draft is proven on: the live database's, with what is pending on top."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from model_for_tests import Model, answers
from operator_environment import ai, programs
from servers_for_tests import Nself, Project, ScratchServer
from sql_for_tests import execute, rows

UP = "ALTER TABLE users ADD COLUMN note text;"
DOWN = "ALTER TABLE users DROP COLUMN note;"
LIVE = (
    "CREATE ROLE draft_reader NOLOGIN",
    "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, legacy text)",
    "INSERT INTO users VALUES (1, 'real-person@example.org', 'x')",
    "GRANT SELECT ON users TO draft_reader",
    "CREATE VIEW emails AS SELECT email FROM users",
)


@pytest.fixture
def live(project: Project, database: str, model: Model, server: ScratchServer) -> Nself:
    """The command beside a live database whose schema no migration has made."""
    execute(database, "DROP ROLE IF EXISTS draft_reader", *LIVE)
    environment = {"DATABASE_URL": database, "NSELF_PG_BINDIR": programs(server)}
    return Nself(project.root, ai(model) | environment)


def test_what_an_index_of_the_database_calls_runs_as_no_superuser(
    live: Nself, model: Model, database: str, tmp_path: Path
) -> None:
    written = tmp_path / "written"
    tmp_path.chmod(0o777)
    execute(
        database,
        "CREATE FUNCTION really() RETURNS int LANGUAGE plpgsql AS $$BEGIN"
        f" COPY (SELECT 1) TO PROGRAM 'touch {written}';"
        " RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN 1; END$$",
        "CREATE FUNCTION evil(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE"
        " AS 'BEGIN RETURN public.really(); END'",
        "CREATE INDEX ON users ((evil(0)))",
    )
    written.unlink()
    model.plays = [answers("CREATE TABLE note (id int);", "DROP TABLE note;")]
    result = live("generate", "add notes", "--json")
    assert (result.code, drafted(result)["proven"]) == (0, True), result.err
    assert not written.exists()


def drafted(result: object) -> dict[str, object]:
    """What the JSON says of a draft."""
    return json.loads(result.out)["draft"]  # type: ignore[attr-defined, no-any-return]


def test_a_table_that_only_the_database_has_is_there(live: Nself, model: Model) -> None:
    model.plays = [answers(UP, DOWN)]
    result = live("generate", "add a note", "--json")
    assert (result.code, drafted(result)["proven"]) == (0, True), result.err


def test_what_the_database_lacks_is_a_fault(live: Nself, model: Model) -> None:
    model.plays = [answers("ALTER TABLE people ADD COLUMN note text;", DOWN)]
    result = live("generate", "add a note", "--rounds", "1")
    assert (result.code, "42P01" in result.err) == (1, True)


def test_grants_of_the_database_count(live: Nself, model: Model) -> None:
    up = "DROP VIEW emails; DROP TABLE users; CREATE TABLE users (id bigint PRIMARY KEY);"
    model.plays = [answers(up, "SELECT 1;")]
    result = live("generate", "users without emails", "--rounds", "1")
    assert result.code == 1
    assert "up makes the table public.users anew, and its grants are lost" in result.err


def test_pending_migrations_come_on_top(live: Nself, model: Model, project: Project) -> None:
    project.migration("20260101000000", "nick", "ALTER TABLE users ADD COLUMN nick text;")
    model.plays = [answers("CREATE INDEX users_nick ON users (nick);", "DROP INDEX users_nick;")]
    result = live("generate", "index nick", "--json")
    assert (result.code, drafted(result)["proven"]) == (0, True), result.err


def test_a_pending_migration_that_cannot_run_leaves_the_draft_unproven(
    live: Nself, model: Model, project: Project
) -> None:
    project.migration("20260101000000", "wrong", "ALTER TABLE nowhere ADD COLUMN x int;")
    model.plays = [answers(UP, DOWN)]
    result = live("generate", "add a note")
    assert result.code == 0
    assert "20260101000000_wrong.sql:1 cannot be run there" in result.err


def test_the_live_database_stays_as_it_was(live: Nself, model: Model, database: str) -> None:
    model.plays = [answers(UP, DOWN)]
    look = (
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0"
    )
    before = rows(database, look), rows(database, "SELECT * FROM users")
    assert live("generate", "add a note").code == 0
    assert (rows(database, look), rows(database, "SELECT * FROM users")) == before


def test_no_row_of_the_live_database_is_in_the_proof(live: Nself, model: Model) -> None:
    seen = (
        "DO $$ BEGIN RAISE EXCEPTION 'rows: %', (SELECT string_agg(email, ',') FROM users); END $$;"
    )
    model.plays = [answers(seen, DOWN)]
    result = live("generate", "look at the users", "--rounds", "1")
    assert "Planted 1" in result.err
    assert "real-person" not in result.err
    assert "real-person" not in json.dumps(model.requests)


def test_a_database_that_is_down_leaves_the_files(
    project: Project, model: Model, server: ScratchServer
) -> None:
    project.migration("20260101000000", "users", "CREATE TABLE users (id int PRIMARY KEY);")
    model.plays = [answers(UP, DOWN)]
    environment = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}
    nself = Nself(project.root, ai(model) | environment | {"NSELF_PG_BINDIR": programs(server)})
    result = nself("generate", "add a note", "--json")
    assert (result.code, drafted(result)["proven"]) == (0, True), result.err


def proven(live: Nself, model: Model, up: str, down: str) -> bool:
    model.plays = [answers(up, down)]
    result = live("generate", "what it says", "--rounds", "1", "--json")
    assert result.code == 0, result.err
    return drafted(result)["proven"] is True


def test_what_the_database_sets_for_every_session_is_set(
    live: Nself, model: Model, database: str
) -> None:
    name = str(rows(database, "SELECT current_database()::text")[0])
    execute(
        database,
        'CREATE SCHEMA "Shop"',
        'CREATE TABLE "Shop".orders (id int)',
        f'ALTER DATABASE "{name}" SET search_path = "Shop", public',
        f'ALTER DATABASE "{name}" SET app.tenant = 7',
    )
    up = "ALTER TABLE orders ADD COLUMN t text DEFAULT current_setting('app.tenant') NOT NULL;"
    assert proven(live, model, up, "ALTER TABLE orders DROP COLUMN t;")


def test_triggers_that_hasura_has_made_are_no_obstacle(
    live: Nself, model: Model, database: str
) -> None:
    execute(
        database,
        "CREATE SCHEMA hdb_catalog",
        'CREATE FUNCTION hdb_catalog."notify_hasura_new_INSERT"() RETURNS trigger'
        " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        'CREATE TRIGGER "notify_hasura_new_INSERT" AFTER INSERT ON users FOR EACH ROW'
        ' EXECUTE FUNCTION hdb_catalog."notify_hasura_new_INSERT"()',
    )
    assert proven(live, model, UP, DOWN)


@pytest.mark.parametrize("extension", ["dblink", "postgres_fdw"])
def test_an_extension_with_a_wrapper_is_no_obstacle(
    live: Nself, model: Model, database: str, extension: str
) -> None:
    if not rows(database, f"SELECT 1 FROM pg_available_extensions WHERE name = '{extension}'"):
        pytest.skip(f"this server has no {extension}")
    execute(database, f"CREATE EXTENSION {extension}")
    assert proven(live, model, UP, DOWN)


def test_a_materialized_view_with_data_has_data(live: Nself, model: Model, database: str) -> None:
    execute(
        database,
        "CREATE MATERIALIZED VIEW top AS SELECT count(*) AS n FROM users",
        "CREATE MATERIALIZED VIEW above AS SELECT n + 1 AS n FROM top",
        "CREATE UNIQUE INDEX ON top (n)",
        "CREATE MATERIALIZED VIEW empty AS SELECT 1 / 0 AS n WITH NO DATA",
    )
    up = "CREATE TABLE seen AS SELECT n FROM above; REFRESH MATERIALIZED VIEW CONCURRENTLY top;"
    assert proven(live, model, up, "DROP TABLE seen;")
