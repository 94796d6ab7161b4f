"""The shapes that real projects' migrations have: each gives the catalog that psql gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import catalogs
import pytest
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.database.servers.binaries import Installation

TWIN = "twin_of_the_shapes"
TABLE = "CREATE TABLE items (id bigint PRIMARY KEY, name text);\n"

# What each generator or habit writes: file name → text.
SHAPES: dict[str, Mapping[str, str]] = {
    "golang-migrate: up and down, ten digits, nothing at the end of the last statement": {
        "1085649617_items.up.sql": TABLE.rstrip("\n;"),
        "1085649617_items.down.sql": "DROP TABLE items",
        "1285849751_concurrently.up.sql": "CREATE INDEX CONCURRENTLY items_name ON items (name);",
    },
    "drizzle: statement-breakpoint comments and tabs": {
        "0000_first.sql": 'CREATE TABLE "a" (\n\t"id" varchar(64) PRIMARY KEY NOT NULL\n);\n'
        '--> statement-breakpoint\nCREATE TABLE "b" (\n\t"a" varchar(64)\n);\n',
        "0001_second.sql": 'DO $$ BEGIN\n ALTER TABLE "b" ADD CONSTRAINT "b_fk" FOREIGN KEY ("a")'
        ' REFERENCES "a"("id");\nEXCEPTION\n WHEN duplicate_object THEN null;\nEND $$;\n'
        '--> statement-breakpoint\nCREATE INDEX "b_a" ON "b" USING btree ("a");',
    },
    "an outer BEGIN and COMMIT": {"1_items.sql": f"-- items\nBEGIN;\n{TABLE}COMMIT;\n"},
    "Windows: a BOM and CRLF": {"001_items.sql": "\ufeff" + TABLE.replace(";", ";\r\n")},
    "plpgsql with nested dollar quotes and semicolons": {
        "1_f.sql": TABLE + "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$\n"
        "BEGIN\n  EXECUTE $q$ SELECT ';' $q$;\n  NEW.name := 'a''b;'; -- ; '\n  RETURN NEW;\n"
        "END;\n$body$;\nCREATE TRIGGER t BEFORE UPDATE ON items FOR EACH ROW"
        " EXECUTE FUNCTION touch();\n",
    },
    "a function with a BEGIN ATOMIC body": {
        "1_f.sql": "CREATE FUNCTION f(a int) RETURNS int\nBEGIN ATOMIC\n  SELECT 1;\n"
        "  SELECT CASE a WHEN 1 THEN 2 END;\nEND;\n",
    },
    "an enum that grows, used in the next file": {
        "1_t.sql": "CREATE TYPE mood AS ENUM ('ok');\nCREATE TABLE m (mood mood);\n",
        "2_more.sql": "ALTER TYPE mood ADD VALUE 'glad';\n",
        "3_used.sql": "INSERT INTO m VALUES ('glad');\n"
        "ALTER TABLE m ALTER mood SET DEFAULT 'glad';\n",
    },
    "row-level security, views, comments, grants": {
        "1_all.sql": TABLE + "ALTER TABLE items ENABLE ROW LEVEL SECURITY;\n"
        "CREATE POLICY p ON items USING (name = current_user);\n"
        "CREATE VIEW v AS SELECT id FROM items;\nCREATE MATERIALIZED VIEW mv AS SELECT 1 AS a;\n"
        "COMMENT ON VIEW v IS 'it''s; /* not a comment */';\nGRANT SELECT ON v TO PUBLIC;\n",
    },
    "numbers of other widths: 2 comes before 10": {
        "10_b.sql": "ALTER TABLE items ADD b int;\n",
        "2_a.sql": TABLE,
    },
    "a search_path that is set and never reset": {
        "1_s.sql": "CREATE SCHEMA shop;\nSET search_path = shop;\n" + TABLE,
        "2_t.sql": "CREATE TABLE plain (id int);\n",
    },
    "COPY with its data": {
        "1_c.sql": TABLE + "COPY items (id, name) FROM stdin;\n1\ta;'$$\n2\t\\N\n\\.\n"
        "CREATE UNIQUE INDEX items_name ON items (name);\n",
    },
    "an identifier and a comment outside of ASCII": {
        "1_é.sql": 'CREATE TABLE "größe" ("naïve" text); -- ☃ ;\n',
    },
}

# What stops psql has to stop us at the same statement.
BROKEN: dict[str, Mapping[str, str]] = {
    "a table of another plugin is missing": {
        "001_items.sql": TABLE,
        "002_add_account.sql": "-- account\n\nALTER TABLE items ADD a int;\n\n"
        "ALTER TABLE others\n    ADD COLUMN a int;\n",
        "003_later.sql": "CREATE TABLE later (id int);\n",
    },
    "a schema is missing": {"1_u.sql": f"{TABLE}CREATE TABLE auth.users (\n  id int\n);\n"},
    "SQL of another database": {
        "1_t.sql": "CREATE TABLE t (\n  id INTEGER PRIMARY KEY AUTOINCREMENT\n);\n",
    },
    "an extension that is not there": {"1_e.sql": f"{TABLE}CREATE EXTENSION no_such_thing;\n"},
    "bad COPY data": {"1_c.sql": f"{TABLE}COPY items FROM stdin;\n1\ta\nx\tb\n\\.\n"},
    "an error within a DO block": {
        "1_d.sql": f"{TABLE}DO $$\nBEGIN\n  PERFORM 1;\n  PERFORM 1/0;\nEND $$;\n",
    },
}


@pytest.fixture
def twin(server: ScratchServer) -> Iterator[str]:
    """The URL of a second empty database, for psql."""
    yield server.create_database(TWIN)
    server.drop_database(TWIN)


def _write(project: Project, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (project.migrations / name).write_bytes(text.encode())
    return project.migrations


@pytest.mark.parametrize("files", SHAPES.values(), ids=SHAPES.keys())
def test_run_gives_the_catalog_that_psql_gives(
    project: Project,
    nself: Nself,
    database: str,
    twin: str,
    tools: Installation,
    files: Mapping[str, str],
) -> None:
    assert catalogs.replay(twin, tools, _write(project, files)) is None
    done = nself("run", "--skip-backup")
    assert done.code == 0, done.err
    ours = catalogs.catalog(database, tools)
    assert ours == catalogs.catalog(twin, tools)
    assert "CREATE" in ours


@pytest.mark.parametrize("files", BROKEN.values(), ids=BROKEN.keys())
def test_run_stops_at_the_statement_where_psql_stops(
    project: Project,
    nself: Nself,
    database: str,
    twin: str,
    tools: Installation,
    files: Mapping[str, str],
) -> None:
    folder = _write(project, files)
    stop = catalogs.replay(twin, tools, folder)
    done = nself("run", "--skip-backup", "--json")
    assert (done.code, stop is None) == (1, False), done.out
    error = done.json()["error"]
    source = next(up for up in catalogs.ups(folder) if stop and up.path.name == stop.file)
    line = error["facts"]["line"]
    assert f"/{source.path.name}:{line}:" in error["message"]
    assert stop == catalogs.Stop(
        Path(error["facts"]["path"]).name,
        catalogs.number_of(source, line),
        error["facts"]["server_message"],
    )
    assert catalogs.catalog(database, tools) == catalogs.catalog(twin, tools)
