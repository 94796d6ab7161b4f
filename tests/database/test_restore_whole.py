"""A large database with everything in it: backup, damage, restore gives the same one."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from catalogs import Contents, contents
from restores_for_tests import name_of
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.database.servers.binaries import Installation

MEGABYTES = 300
BLOCK = 6_000
"""Bytes of one row's text. Hex digests of random numbers: pg_dump's compression halves them."""

ROLES = ("CREATE ROLE {0}_owner", "CREATE ROLE {0}_reader", 'CREATE ROLE "{0} odd role"')
EVERYTHING = """
CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore; CREATE EXTENSION citext;
CREATE SCHEMA shelf AUTHORIZATION {0}_owner;
CREATE TYPE shelf.state AS ENUM ('new', 'used');
CREATE TYPE shelf.size AS (width integer, height integer);
CREATE DOMAIN shelf.isbn AS text CHECK (VALUE ~ '^[0-9]+$');
CREATE SEQUENCE shelf.ticket START 100 INCREMENT 7 CACHE 3;
SELECT nextval('shelf.ticket'), nextval('shelf.ticket');
CREATE TABLE shelf.books (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  serial serial UNIQUE,
  title citext NOT NULL,
  state shelf.state NOT NULL DEFAULT 'new',
  isbn shelf.isbn,
  tags hstore,
  size shelf.size,
  title_length integer GENERATED ALWAYS AS (length(title::text)) STORED,
  price numeric(10, 2) CHECK (price >= 0)
);
COMMENT ON TABLE shelf.books IS 'it''s a table';
COMMENT ON COLUMN shelf.books.title IS E'two\\nlines';
INSERT INTO shelf.books (title, isbn, tags, size, price)
  SELECT 'Title ' || i, i::text, hstore('n', i::text), ROW(i, i + 1)::shelf.size, i / 7.0
  FROM generate_series(1, 2000) AS i;
INSERT INTO shelf.books (title) VALUES ('ünï ☕ \\ "quoted" ''it'''), (E'tab\\tnewline\\n');
CREATE INDEX books_trgm ON shelf.books USING gin ((title::text) gin_trgm_ops);
CREATE INDEX ON shelf.books (price) WHERE state = 'used';
CREATE TABLE shelf.loans (book bigint REFERENCES shelf.books, day date NOT NULL, note text)
  PARTITION BY RANGE (day);
CREATE TABLE shelf.loans_old PARTITION OF shelf.loans FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE shelf.loans_new PARTITION OF shelf.loans DEFAULT;
INSERT INTO shelf.loans SELECT 1 + i % 2000, date '2025-06-01' + i % 400, 'n' || i
  FROM generate_series(1, 5000) AS i;
CREATE VIEW shelf.cheap WITH (security_barrier) AS SELECT * FROM shelf.books WHERE price < 5;
CREATE MATERIALIZED VIEW shelf.by_day AS SELECT day, count(*) FROM shelf.loans GROUP BY day;
CREATE UNIQUE INDEX ON shelf.by_day (day);
CREATE FUNCTION shelf.stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = shelf AS $body$ BEGIN
  NEW.note := NEW.note || '; stamped'; RETURN NEW; END $body$;
CREATE TRIGGER stamp BEFORE INSERT ON shelf.loans FOR EACH ROW EXECUTE FUNCTION shelf.stamp();
ALTER TABLE shelf.loans DISABLE TRIGGER stamp;
ALTER TABLE shelf.books ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON shelf.books FOR SELECT TO {0}_reader, "{0} odd role" USING (price < 9);
CREATE RULE quiet AS ON DELETE TO shelf.cheap DO INSTEAD NOTHING;
CREATE PUBLICATION loans FOR TABLE shelf.books;
CREATE STATISTICS shelf.pairs ON state, price FROM shelf.books;
CREATE COLLATION shelf.plain (locale = 'C');
ALTER TABLE shelf.books OWNER TO {0}_owner;
ALTER SEQUENCE shelf.ticket OWNER TO {0}_owner;
GRANT SELECT (title), UPDATE (state) ON shelf.books TO {0}_reader WITH GRANT OPTION;
GRANT USAGE ON SCHEMA shelf TO "{0} odd role";
REVOKE EXECUTE ON FUNCTION shelf.stamp() FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE {0}_owner IN SCHEMA shelf GRANT SELECT ON TABLES TO {0}_reader;
SELECT lo_from_bytea(0, decode(repeat('00ff', 5000), 'hex'));
SELECT lo_from_bytea(424242, 'hello');
COMMENT ON LARGE OBJECT 424242 IS 'a greeting';
GRANT SELECT ON LARGE OBJECT 424242 TO {0}_reader;
CREATE TABLE large (id integer PRIMARY KEY, body text NOT NULL);
ALTER TABLE large ALTER body SET STORAGE EXTERNAL;
"""
LARGE = f"""
INSERT INTO large SELECT i, (SELECT string_agg(md5((i * 1000 + j)::text || random()::text), '')
  FROM generate_series(1, {BLOCK // 32}) AS j)
FROM generate_series(1, {MEGABYTES * 1_000_000 // BLOCK}) AS i
"""
DAMAGE = (
    "DROP TABLE large",
    "DROP SCHEMA shelf CASCADE",
    "SELECT lo_unlink(424242)",
    "DROP EXTENSION hstore CASCADE",
    "CREATE TABLE damage (x integer)",
)


@pytest.fixture
def filled(database: str, server: ScratchServer) -> Iterator[str]:
    """300 MB that do not compress well, and an object of every usual kind."""
    prefix = name_of(database)
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in ROLES:
            connection.execute(statement.format(prefix))
        connection.execute(EVERYTHING.format(prefix))
        connection.execute(LARGE)
    yield database
    with psycopg.connect(server.url, autocommit=True) as connection:
        asked = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
        for (name,) in connection.execute(asked, (prefix,)).fetchall():
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        for statement in ROLES:
            connection.execute(statement.format(prefix).replace("CREATE", "DROP"))


@pytest.mark.slow
def test_backup_damage_restore_gives_an_equal_catalog_and_equal_rows(
    filled: str, project: Project, nself: Nself, tools: Installation
) -> None:
    project.migration("1", "a", "CREATE TABLE later (x int);")
    before = contents(filled, tools)
    assert before.size > MEGABYTES * 1_000_000
    backup = nself("run", "--json", seconds=120).json()["backup"]
    with psycopg.connect(filled, autocommit=True) as connection:
        for statement in DAMAGE:
            connection.execute(statement)
    assert differs(contents(filled, tools), before)
    done = nself("backups", "restore", backup, "--json", seconds=120)
    assert done.code == 0, done.err
    after = contents(filled, tools)
    assert after.schema == before.schema
    assert after.rows == before.rows
    assert after.sequences == before.sequences
    assert after.large_objects == before.large_objects


def differs(one: Contents, other: Contents) -> bool:
    """Whether the comparison sees each kind of damage."""
    return (
        one.schema != other.schema
        and one.rows != other.rows
        and one.sequences != other.sequences
        and one.large_objects != other.large_objects
    )
