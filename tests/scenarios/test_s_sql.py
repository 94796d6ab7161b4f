"""SQL as people and pg_dump write it."""

from __future__ import annotations

import subprocess

import psycopg
import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import applied, execute, indexes, rows

from nself_tasks.database.servers.binaries import CLEAN_ENVIRONMENT, Installation

RUN = ("run", "--skip-backup")
TABLE = "CREATE TABLE items (id integer PRIMARY KEY, name text);\n"


def runs(nself: Nself, database: str, *versions: str) -> str:
    """Run everything; all of these versions are applied. Gives what was said."""
    done = nself(*RUN)
    assert done.code == 0, done.out + done.err
    assert applied(database) == list(versions)
    return done.out + done.err


def test_s02_an_index_built_concurrently_in_an_unmarked_file(
    project: Project, nself: Nself, database: str
) -> None:
    """`CREATE INDEX CONCURRENTLY` in a file that does not say so.

    It is recognised and runs outside a transaction; the other files keep theirs.
    """
    project.migration("1", "items", TABLE)
    project.migration("2", "index", "CREATE INDEX CONCURRENTLY items_name ON items (name);")
    runs(nself, database, "1", "2")
    assert indexes(database)["items_name"]


def test_s03_two_indexes_built_concurrently_in_a_marked_file(
    project: Project, nself: Nself, database: str
) -> None:
    """Two `CREATE INDEX CONCURRENTLY` in a file that is marked as `no-transaction`.

    The file runs statement by statement; both indexes are valid.
    """
    project.migration("1", "items", TABLE)
    index = "CREATE INDEX CONCURRENTLY items_{0} ON items ({0});\n"
    both = "-- nself: no-transaction\n" + index.format("name") + index.format("id")
    project.migration("2", "indexes", both)
    runs(nself, database, "1", "2")
    assert indexes(database) == {"items_pkey": True, "items_name": True, "items_id": True}


def dump_of(database: str, tools: Installation, *statements: str) -> str:
    """Make a schema, dump it, and leave the database empty again."""
    execute(database, *statements)
    program = [tools.program("pg_dump"), "--no-owner", f"--dbname={database}"]
    done = subprocess.run(
        program, capture_output=True, check=True, env=CLEAN_ENVIRONMENT, encoding="utf-8"
    )
    execute(database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return done.stdout


def test_s16_a_whole_dump_and_then_names_without_a_schema(
    project: Project, nself: Nself, database: str, tools: Installation
) -> None:
    """A `pg_dump` as the first migration, which empties `search_path`; the next names its tables.

    The dump runs as it is; the next migration starts in a new session and finds the tables.
    """
    dump = dump_of(database, tools, TABLE, "INSERT INTO items VALUES (1, 'one')")
    assert "set_config('search_path', '', false)" in dump
    project.migration("1", "baseline", dump)
    project.migration("2", "next", "ALTER TABLE items ADD COLUMN price integer DEFAULT 5;")
    runs(nself, database, "1", "2")
    assert rows(database, "SELECT * FROM items") == [(1, "one", 5)]


def test_s17_restrict_lines(project: Project, nself: Nself, database: str) -> None:
    r"""The `\restrict` and `\unrestrict` lines that `pg_dump` writes around its SQL.

    They are skipped; every other psql command is refused with its line.
    """
    project.migration("1", "dumped", f"\\restrict k3y\n\n{TABLE}\n\\unrestrict k3y\n")
    runs(nself, database, "1")
    project.migration("2", "psql", "CREATE TABLE no (id integer);\n\\i other.sql\n")
    refused = nself(*RUN, "--json")
    (problem,) = refused.json()["error"]["problems"]
    assert (refused.code, problem["line"], applied(database)) == (1, 2, ["1"])


def test_s18_copy_from_stdin(project: Project, nself: Nself, database: str) -> None:
    r"""`COPY … FROM stdin` with its data, up to `\.`, and statements after it.

    The data are streamed as psql does it; a semicolon or a quote in them cuts nothing.
    """
    data = "1\ta;'$$\n2\t\\N\n3\tone\\ttwo\n"
    after = "INSERT INTO items VALUES (4, 'after');\n"
    copy = "COPY items (id, name) FROM stdin;\n"
    project.migration("1", "items", f"{TABLE}{copy}{data}\\.\n{after}")
    runs(nself, database, "1")
    found = rows(database, "SELECT name FROM items ORDER BY id")
    assert found == ["a;'$$", None, "one\ttwo", "after"]


def test_s19_dollar_quotes_atomic_bodies_and_nested_comments(
    project: Project, nself: Nself, database: str
) -> None:
    """Semicolons in `$$` bodies, in `BEGIN ATOMIC … END` and in comments within comments.

    A file is cut where psql cuts it.
    """
    project.migration(
        "1",
        "functions",
        "/* one; /* two; */ still; */\n"
        "CREATE FUNCTION quoted() RETURNS text LANGUAGE plpgsql AS $f$\n"
        "BEGIN\n  EXECUTE $q$ SELECT ';' $q$;\n  RETURN 'a;b';\nEND $f$;\n"
        "CREATE FUNCTION standard(a integer) RETURNS integer\n"
        "BEGIN ATOMIC\n  SELECT 1;\n  SELECT CASE a WHEN 1 THEN 10 ELSE 20 END;\nEND;\n"
        "CREATE TABLE answers AS SELECT quoted() AS q, standard(1) AS s; -- the end;\n",
    )
    runs(nself, database, "1")
    assert rows(database, "SELECT q, s FROM answers") == [("a;b", 10)]


def test_s20_what_looks_like_a_placeholder(project: Project, nself: Nself, database: str) -> None:
    """`%`, `%s`, `:name`, `?`, `${HOME}`, `{{ }}` and `$1` in strings, operators and bodies.

    SQL stays SQL: nothing is replaced, and the file's own bytes reach the server.
    """
    text = "100 % %s %(x)s :name ? ${HOME} {{ x }} $1 \\n"
    project.migration(
        "1",
        "data",
        f"{TABLE}INSERT INTO items VALUES (1, '{text}'), (10 % 3 + 1, 'x'::text);\n"
        """CREATE TABLE asked AS SELECT '{"a": 1}'::jsonb ? 'a' AS has;\n"""
        "CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2';\n",
    )
    runs(nself, database, "1")
    assert rows(database, "SELECT name FROM items ORDER BY id") == [text, "x"]
    assert rows(database, "SELECT has, twice(2) FROM asked") == [(True, 4)]


def test_s21_a_byte_order_mark(project: Project, nself: Nself, database: str) -> None:
    """A file begins with a byte order mark, as editors on Windows write it.

    It runs as if the mark were not there, and is the same file when the mark is gone later.
    """
    path = project.migration("1", "items", "\ufeff" + TABLE)
    runs(nself, database, "1")
    assert rows(database, "SELECT count(*) FROM items") == [0]
    path.write_text(TABLE)
    assert "nothing to do" in runs(nself, database, "1")


def test_s22_settings_that_a_file_leaves_behind(
    project: Project, nself: Nself, database: str
) -> None:
    """A file sets `search_path` and `work_mem` and never resets them.

    They hold for its own statements alone; the next file starts in a session like new.
    """
    leaks = "CREATE SCHEMA shop;\nSET search_path = shop;\nSET work_mem = '77MB';\n" + TABLE
    project.migration("1", "leaks", leaks)
    seen = "CREATE TABLE seen AS SELECT current_setting('work_mem') AS memory,"
    project.migration("2", "next", f"{seen} to_regclass('items')::text AS items;")
    runs(nself, database, "1", "2")
    with psycopg.connect(database) as connection:
        memory = connection.execute("SHOW work_mem").fetchone()
    assert memory is not None
    assert rows(database, "SELECT memory, items FROM public.seen") == [(memory[0], None)]
    assert rows(database, "SELECT count(*) FROM shop.items") == [0]


def test_s25_an_enum_value_is_added_and_then_used(
    project: Project, nself: Nself, database: str
) -> None:
    """A file adds a value to an enum, the next one uses it, both pending at once.

    Each has a transaction of its own, so the value is there.
    """
    project.migration("1", "mood", "CREATE TYPE mood AS ENUM ('ok');\nCREATE TABLE m (mood mood);")
    project.migration("2", "adds", "ALTER TYPE mood ADD VALUE 'glad';")
    project.migration("3", "uses", "INSERT INTO m VALUES ('glad');")
    runs(nself, database, "1", "2", "3")
    assert rows(database, "SELECT mood FROM m") == ["glad"]


@pytest.mark.parametrize("flags", [(), ("--quiet",)], ids=["plain", "quiet"])
def test_s28_a_warning_of_the_server(
    flags: tuple[str, ...], project: Project, nself: Nself, database: str
) -> None:
    """The server warns while a migration runs.

    The warning is shown, with `--quiet` too, and is in the JSON; the run goes on.
    """
    raises = "DO $$ BEGIN RAISE WARNING 'look at row {}'; END $$;"
    project.migration("1", "warns", raises.format(7))
    done = nself(*RUN, *flags)
    assert (done.code, applied(database)) == (0, ["1"])
    assert "server WARNING: look at row 7" in done.err
    project.migration("2", "warns", raises.format(8))
    assert "server WARNING: look at row 8" in nself(*RUN, *flags, "--json").out
