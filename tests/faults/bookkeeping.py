"""Five migrations to be interrupted, over tables that an application has filled.

Each of them changes a table of its own, which a test can lock, and adds a row to `ledger`, which
has no key: what runs twice is seen there.
"""

from __future__ import annotations

import psycopg
from servers_for_tests import Project

VERSIONS = tuple(f"2026010100000{number}" for number in range(1, 6))

BEFORE = "CREATE TABLE ledger (entry text NOT NULL);\n" + "".join(
    f"CREATE TABLE legacy_{n} (id integer PRIMARY KEY, body text NOT NULL);\n"
    f"INSERT INTO legacy_{n} SELECT i, 'body ' || i FROM generate_series(1, 50) AS i;\n"
    for n in range(1, 6)
)

AUTHORS = """\
CREATE TABLE authors (id integer PRIMARY KEY, name text NOT NULL);
ALTER TABLE legacy_1 ADD COLUMN moved boolean NOT NULL DEFAULT false;
INSERT INTO authors SELECT id, body FROM legacy_1;
INSERT INTO ledger VALUES ('authors');
"""
BOOKS = """\
CREATE TYPE shelf AS ENUM ('new', 'used');
ALTER TABLE legacy_2 ADD COLUMN shelf shelf NOT NULL DEFAULT 'used';
CREATE TABLE books (id integer PRIMARY KEY REFERENCES authors (id), shelf shelf NOT NULL);
INSERT INTO books SELECT id, shelf FROM legacy_2;
INSERT INTO ledger VALUES ('books');
"""
STAMPS = """\
CREATE FUNCTION stamped() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger VALUES ('row ' || NEW.id);
  RETURN NEW;
END $$;
ALTER TABLE legacy_3 ADD CONSTRAINT has_body CHECK (body <> '');
CREATE TRIGGER stamped AFTER UPDATE ON legacy_3 FOR EACH ROW EXECUTE FUNCTION stamped();
UPDATE legacy_3 SET body = upper(body) WHERE id <= 3;
INSERT INTO ledger VALUES ('stamps');
"""
INDEX = """\
SET statement_timeout = '1h';
INSERT INTO ledger VALUES ('index begins');
CREATE INDEX CONCURRENTLY legacy_4_body ON legacy_4 (body);
INSERT INTO ledger SELECT 'index is ' || relname FROM pg_class WHERE relname = 'legacy_4_body';
"""
VIEW = """\
ALTER TABLE legacy_5 RENAME COLUMN body TO title;
CREATE VIEW titles AS SELECT title FROM legacy_5;
INSERT INTO ledger VALUES ('view');
"""
ALL = {"authors": AUTHORS, "books": BOOKS, "stamps": STAMPS, "index": INDEX, "view": VIEW}


def prepare(project: Project, url: str) -> None:
    """Fill the database as the application did, and the folder with the five migrations."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(BEFORE)
    for version, (name, up) in zip(VERSIONS, ALL.items(), strict=True):
        project.migration(version, name, up)


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables that are not the history's, in an order of their own."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace AND relname NOT LIKE '\\_nself%' ORDER BY 1"
        ).fetchall()
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)  # type: ignore[arg-type]
            for (name,) in tables
        }
