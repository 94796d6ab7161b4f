"""What a migration does to its session stays in it: the history is written, the next one is new."""

from __future__ import annotations

import subprocess

import pytest
from servers_for_tests import Nself, Project, ScratchServer
from sql_for_tests import applied, execute, rows

from nself_tasks.database.servers.binaries import CLEAN_ENVIRONMENT, dump_tools

SEEN = """\
CREATE TABLE IF NOT EXISTS public.seen AS SELECT ''::text AS after, current_user::text AS who,
  session_user::text AS login, current_setting('search_path') AS path,
  current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
  current_setting('work_mem') AS memory, to_regclass('pg_temp.scratch')::text AS temporary,
  to_regclass('items')::text AS items,
  (SELECT count(*) FROM pg_prepared_statements)::int AS prepared,
  (SELECT count(*) FROM pg_cursors)::int AS cursors,
  (SELECT count(*) FROM pg_listening_channels())::int AS channels WITH NO DATA;
INSERT INTO public.seen SELECT '{leak}', current_user, session_user,
  current_setting('search_path'), current_setting('statement_timeout'),
  current_setting('lock_timeout'), current_setting('work_mem'),
  to_regclass('pg_temp.scratch')::text, to_regclass('items')::text,
  (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
  (SELECT count(*) FROM pg_listening_channels());
"""
NEW = ("postgres", "postgres", '"$user", public', "0", "5s", "4MB", None, "items", 0, 0, 0)

LEAKS = {
    "SET ROLE": "SET ROLE nself_test_guest;",
    "SET SESSION AUTHORIZATION": "SET SESSION AUTHORIZATION nself_test_guest;",
    "an empty search_path": "SET search_path = '';",
    "set_config": "SELECT pg_catalog.set_config('search_path', '', false);",
    "a statement_timeout": "SET statement_timeout = '1ms';",
    "a lock_timeout": "SET lock_timeout = '1ms';",
    "work_mem": "SET work_mem = '77MB';",
    "a temporary table": "CREATE TEMP TABLE scratch (id int);",
    "a prepared statement": "PREPARE held AS SELECT 1;",
    "a cursor WITH HOLD": "DECLARE held CURSOR WITH HOLD FOR SELECT 1;",
    "LISTEN": "LISTEN news;",
    "non-standard strings": "SET backslash_quote = off; SET standard_conforming_strings = on;",
    "a row_security setting": "SET row_security = off; SET check_function_bodies = false;",
    "all locks released": "SELECT pg_advisory_unlock_all();",
}


@pytest.fixture(autouse=True)
def items(database: str) -> None:
    """A table that every migration sees without its schema, and a role with no rights at all."""
    execute(
        database,
        "CREATE TABLE items (id int)",
        "DO $$ BEGIN CREATE ROLE nself_test_guest; EXCEPTION WHEN duplicate_object OR"
        " unique_violation THEN NULL; END $$",
    )


@pytest.mark.parametrize(
    ("first_line", "flags"),
    [("", []), ("", ["--atomic"]), ("-- nself: no-transaction\n", [])],
    ids=["a transaction each", "atomic", "without a transaction"],
)
def test_it_is_recorded_all_the_same_and_the_next_one_sees_a_new_session(
    project: Project, nself: Nself, database: str, first_line: str, flags: list[str]
) -> None:
    versions = []
    for number, (leak, sql) in enumerate(LEAKS.items(), 1):
        versions += [f"{number}1", f"{number}2"]
        project.migration(f"{number}1", "leaks", first_line + sql)
        project.migration(f"{number}2", "sees", SEEN.format(leak=leak))
    result = nself("run", "--skip-backup", *flags)
    assert result.code == 0, result.err
    assert applied(database) == versions
    seen = {after: row for after, *row in rows(database, "SELECT * FROM public.seen")}
    assert seen == {leak: list(NEW) for leak in LEAKS}


def test_the_history_row_names_who_logged_in_not_whom_the_migration_became(
    project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "guest", "SET SESSION AUTHORIZATION nself_test_guest;")
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT applied_by FROM public._nself_migrations") == ["postgres"]


def test_a_migration_that_moves_public_out_of_its_path_creates_where_it_says(
    project: Project, nself: Nself, database: str
) -> None:
    up = "CREATE SCHEMA shop; SET search_path = shop; CREATE TABLE _nself_migrations (mine int);"
    project.migration("1", "shop", up)
    assert nself("run", "--skip-backup").code == 0
    assert rows(database, "SELECT count(*) FROM shop._nself_migrations") == [0]
    assert applied(database) == ["1"]


# --- a whole pg_dump --------------------------------------------------------------------------

SCHEMA = r"""
CREATE TYPE mood AS ENUM ('sad', 'it''s ok');
CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL DEFAULT 'a;b', mood mood);
CREATE TABLE notes (person bigint REFERENCES people, note text);
CREATE FUNCTION shout(text) RETURNS text LANGUAGE plpgsql
  AS $$ BEGIN RETURN upper($1) || ';'; END $$;
CREATE VIEW loud AS SELECT shout(name) AS name FROM people;
INSERT INTO people (name, mood) VALUES
  (E'tab\there', 'sad'), (E'line\nbreak', NULL), ('\. back\slash', 'it''s ok');
INSERT INTO notes VALUES (1, '-- +goose Up'), (2, '%s $1 :x'), (3, NULL);
"""


def dumped(server: ScratchServer, url: str, *options: str) -> str:
    """The text of pg_dump for a database, by the program of the server's own version."""
    tools = dump_tools(server.major)
    assert tools is not None, f"no pg_dump {server.major}"
    done = subprocess.run(
        [tools.program("pg_dump"), "--no-owner", *options, f"--dbname={url}"],
        capture_output=True,
        env=CLEAN_ENVIRONMENT,
        check=True,
        text=True,
    )
    return done.stdout


@pytest.fixture
def dump(server: ScratchServer, database: str) -> str:
    """The text of a pg_dump, with data, of a schema that is gone again."""
    execute(database, "DROP TABLE items", SCHEMA)
    text = dumped(server, database)
    execute(database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return text


def test_a_whole_pg_dump_works_as_a_migration_and_the_next_one_finds_its_tables(
    project: Project, nself: Nself, database: str, dump: str
) -> None:
    assert "set_config('search_path', '', false)" in dump
    assert "COPY public.people" in dump
    project.migration("1", "dump", dump)
    project.migration("2", "next", "CREATE TABLE names AS SELECT name FROM people ORDER BY id;")
    result = nself("run", "--skip-backup")
    assert result.code == 0, result.err
    assert applied(database) == ["1", "2"]
    assert rows(database, "SELECT name FROM names") == [
        "tab\there",
        "line\nbreak",
        "\\. back\\slash",
    ]
    assert rows(database, "SELECT note FROM notes ORDER BY person") == [
        "-- +goose Up",
        "%s $1 :x",
        None,
    ]


def test_the_dump_restores_what_was_dumped_restrict_lines_included(
    project: Project, nself: Nself, database: str, server: ScratchServer, dump: str
) -> None:
    guarded = dump if "\\restrict" in dump else f"\\restrict k\n{dump}\\unrestrict k\n"
    project.migration("1", "dump", guarded)
    assert nself("run", "--skip-backup").code == 0
    again = dumped(server, database, "--exclude-table=_nself*")
    assert without_keys(again) == without_keys(dump)


def without_keys(dump: str) -> list[str]:
    """The lines of a dump without comments, `\\restrict` and its random key, and schema public."""
    lines = [line for line in dump.splitlines() if line and not line.startswith(("--", "\\"))]
    return [line for line in lines if "SCHEMA public" not in line]
