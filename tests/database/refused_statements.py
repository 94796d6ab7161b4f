"""Sequences of statements with the role that runs them, and what they run on; `---` cuts files.

clerk    no rights but USAGE on the schemas, and CREATE on the database
keeper   owns the schema `mine`, is a member of boss, and has its rights by SET ROLE alone
boss     owns `ledger`, may create in public
"""

from __future__ import annotations

# ruff: noqa: ISC004

SETUP = """
CREATE ROLE $clerk LOGIN; CREATE ROLE $boss; CREATE ROLE $keeper LOGIN NOINHERIT;
GRANT $boss TO $keeper;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO $boss;
DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO $clerk, $boss', current_database());
END$$;
CREATE TABLE orders (id serial PRIMARY KEY, total int);
CREATE VIEW recent AS SELECT * FROM orders;
CREATE TYPE mood AS ENUM ('good');
CREATE SEQUENCE counter;
CREATE TABLE log (id int);
GRANT ALL ON log TO $clerk, $keeper;
CREATE TABLE ledger (id serial PRIMARY KEY);
ALTER TABLE ledger OWNER TO $boss;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO $clerk, $keeper;
CREATE SCHEMA mine AUTHORIZATION $keeper;
CREATE TABLE mine.parts (id int CONSTRAINT parts_key UNIQUE) PARTITION BY RANGE (id);
CREATE TABLE mine.part1 PARTITION OF mine.parts FOR VALUES FROM (1) TO (2);
CREATE TABLE mine.base (id int CONSTRAINT base_key UNIQUE);
CREATE TABLE base (id int);
CREATE VIEW shop.above AS SELECT * FROM mine.base;
CREATE SCHEMA $clerk;
GRANT ALL ON SCHEMA $clerk TO $clerk;
ALTER TABLE log OWNER TO $clerk;
"""

WITH_FUNCTIONS = """
CREATE PROCEDURE take() LANGUAGE plpgsql SECURITY DEFINER AS
  $f$BEGIN ALTER TABLE orders OWNER TO $clerk; GRANT CREATE ON SCHEMA public TO $clerk; END$f$;
CREATE FUNCTION give() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS
  $f$BEGIN CALL take(); RETURN 1; END$f$;
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $f$BEGIN CALL take(); RETURN NULL; END$f$;
CREATE TRIGGER fires AFTER INSERT ON log FOR EACH STATEMENT EXECUTE FUNCTION fired();
CREATE TABLE given (id int DEFAULT give()); GRANT ALL ON given TO $clerk;
CREATE VIEW giving AS SELECT give(); GRANT ALL ON giving TO $clerk;
"""

REFUSED = [
    ("clerk", "ALTER TABLE orders ADD x int"),
    ("clerk", "ALTER TABLE IF EXISTS public.orders ADD x int"),
    ("clerk", "DROP VIEW recent"),
    ("clerk", "ALTER TYPE mood RENAME TO moods"),
    ("clerk", "ALTER SEQUENCE counter RESTART"),
    ("clerk", "CREATE INDEX ON orders (total)"),
    ("clerk", "CREATE INDEX IF NOT EXISTS i ON orders (total)"),
    ("clerk", "CREATE TABLE public.a (i int)"),
    ("clerk", "CREATE TABLE IF NOT EXISTS public.a (i int)"),
    ("clerk", "CREATE SEQUENCE IF NOT EXISTS shop.numbers"),
    ("clerk", "CREATE MATERIALIZED VIEW IF NOT EXISTS shop.m AS SELECT 1"),
    ("clerk", "CREATE OR REPLACE VIEW public.recent AS SELECT 1"),
    ("clerk", "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    ("clerk", "SET search_path = shop; CREATE TABLE a (i int)"),
    ("clerk", "REINDEX TABLE orders"),
    ("clerk", "REINDEX INDEX orders_pkey"),
    ("clerk", "COMMENT ON TABLE orders IS 'x'"),
    ("clerk", "COMMENT ON COLUMN public.orders.total IS 'x'"),
    ("clerk", "COMMENT ON VIEW recent IS 'x'"),
    ("clerk", "COMMENT ON SCHEMA shop IS 'x'"),
    ("clerk", "SET ROLE $boss"),
    ("clerk", "SET LOCAL ROLE '$boss'; CREATE TABLE public.a (i int)"),
    ("clerk", "CREATE TABLE own (i int); INSERT INTO own VALUES (1); ALTER TABLE orders ADD x int"),
    ("clerk", "GRANT SELECT ON log TO $boss; --- ALTER TABLE orders ADD x int"),
    ("clerk", "CREATE SCHEMA z1; CREATE TABLE z1.a (i int); ALTER TABLE orders ADD x int"),
    ("clerk", "CREATE SCHEMA z1; ALTER TABLE public.orders ADD x int"),
    ("clerk", "SELECT count(*) FROM log; ALTER TABLE orders ADD x int"),
    ("keeper", "CREATE SCHEMA z1"),
    ("keeper", "CREATE SCHEMA IF NOT EXISTS z1"),
    ("keeper", "ALTER TABLE ledger ADD x int"),
    ("keeper", "SET ROLE $boss; RESET ROLE; ALTER TABLE ledger ADD x int"),
    ("keeper", "SET ROLE $boss; --- ALTER TABLE ledger ADD x int"),
    ("keeper", "DROP TABLE mine.part1; ALTER TABLE orders ADD x int"),
]

TAKEN = [
    ("clerk", "CREATE SCHEMA z1; SET search_path = z1, public; CREATE TABLE items (i int)"),
    ("clerk", "CREATE SCHEMA z1; --- SET search_path = z1, public; CREATE TABLE items (i int)"),
    ("clerk", "CREATE SCHEMA z1; SET LOCAL search_path TO z1, public; CREATE VIEW v AS SELECT 1"),
    ("clerk", "SELECT set_config('search_path', '$clerk, public', true); CREATE TABLE t (i int)"),
    (
        "clerk",
        "CREATE SCHEMA z1 CREATE TABLE a (i int) CREATE TABLE orders (i int);"
        " SET search_path = z1, public; ALTER TABLE orders ADD x int",
    ),
    (
        "clerk",
        "CREATE SCHEMA z1; SET search_path = z1, public;"
        " CREATE TABLE orders (id serial PRIMARY KEY); ALTER SEQUENCE orders_id_seq RESTART;"
        " ALTER INDEX orders_pkey RENAME TO p",
    ),
    ("clerk", "CREATE TEMP TABLE t (i int); CREATE VIEW v AS SELECT * FROM t"),
    ("clerk", "SET search_path = shop; CREATE TEMP TABLE t (i int); CREATE VIEW v AS TABLE t"),
    ("clerk", "SELECT 1 AS i INTO TEMP orders; ALTER TABLE orders ADD x int"),
    ("clerk", "CALL take(); ALTER TABLE orders ADD x int; CREATE TABLE public.a (i int)"),
    ("clerk", "DO $$BEGIN CALL take(); END$$; --- COMMENT ON TABLE orders IS 'x'"),
    ("clerk", "SELECT give(); ALTER TABLE orders ADD x int"),
    ("clerk", "SELECT * FROM giving; REINDEX TABLE orders"),
    ("clerk", "INSERT INTO log VALUES (1); ALTER TABLE orders ADD x int"),
    ("clerk", "INSERT INTO log (id) SELECT give(); CREATE TABLE public.a (i int)"),
    ("clerk", "INSERT INTO given DEFAULT VALUES; ALTER TABLE orders ADD x int"),
    ("clerk", "CREATE TEMP TABLE t AS SELECT * FROM giving; ALTER TABLE orders ADD x int"),
    (
        "clerk",
        "ALTER TABLE log ADD y int DEFAULT give(); INSERT INTO log VALUES (2);"
        " ALTER TABLE orders ADD x int",
    ),
    ("clerk", "EXPLAIN ANALYZE SELECT * FROM giving; ALTER TABLE orders ADD x int"),
    (
        "clerk",
        "WITH x AS (INSERT INTO log VALUES (1) RETURNING id) SELECT * FROM x;"
        " ALTER TABLE orders ADD x int",
    ),
    ("clerk", "PREPARE p AS SELECT give(); EXECUTE p; ALTER TABLE orders ADD x int"),
    ("clerk", "SET ROLE NONE; SET ROLE $clerk; ALTER TABLE log ADD x int"),
    ("keeper", "SET ROLE $boss; ALTER TABLE ledger OWNER TO $boss; ALTER TABLE ledger ADD x int"),
    ("keeper", "SET ROLE $boss; CREATE TABLE public.a (i int); CREATE SCHEMA z1"),
    (
        "keeper",
        "SET ROLE $boss; CREATE SCHEMA z1; GRANT ALL ON SCHEMA z1 TO $keeper; RESET ROLE;"
        " CREATE TABLE z1.a (i int)",
    ),
    (
        "keeper",
        "SET ROLE $boss; CREATE TABLE public.a (i serial); ALTER TABLE public.a OWNER TO"
        " $boss; RESET ROLE; SELECT set_config('role', '$boss', true);"
        " ALTER SEQUENCE a_i_seq RESTART",
    ),
    ("keeper", "DROP TABLE mine.base CASCADE; DROP VIEW IF EXISTS shop.above"),
    ("keeper", "DROP TABLE mine.parts; DROP TABLE IF EXISTS mine.part1"),
    ("keeper", "DROP TABLE mine.parts; ALTER TABLE IF EXISTS mine.part1 ADD x int"),
    ("keeper", "DROP TABLE mine.base CASCADE; ALTER INDEX IF EXISTS mine.base_key RENAME TO k"),
    (
        "keeper",
        "DROP TABLE mine.base CASCADE; CREATE TABLE mine.base (id int CONSTRAINT base_key UNIQUE);"
        " ALTER INDEX mine.base_key RENAME TO k; COMMENT ON TABLE mine.base IS 'x'",
    ),
    (
        "keeper",
        "SET search_path = mine, public; CREATE TABLE orders (i int);"
        " ALTER TABLE orders ADD x int; CREATE INDEX ON orders (i); REINDEX TABLE orders",
    ),
    ("keeper", "CREATE TABLE IF NOT EXISTS mine.parts (i int); DROP TABLE IF EXISTS nothing"),
]

LEFT_TO_THE_SERVER = [
    ("clerk", "DO $$BEGIN END$$; ALTER TABLE orders ADD x int"),
    ("clerk", "CREATE EXTENSION IF NOT EXISTS nothing_of_the_sort; ALTER TABLE orders ADD x int"),
    ("clerk", "CREATE TABLE IF NOT EXISTS public.orders (i int)"),
    ("clerk", "ALTER TABLE nothing_there ADD x int"),
    ("clerk", "SET ROLE nobody_of_that_name"),
    ("clerk", "ALTER TABLE log OWNER TO $clerk; ALTER TABLE orders ADD x int"),
    ("clerk", "CREATE ROLE x_$clerk; ALTER TABLE orders ADD x int"),
]

POOL = [
    "CREATE SCHEMA z1",
    "CREATE SCHEMA IF NOT EXISTS mine",
    "CREATE SCHEMA z2 CREATE TABLE orders (i int) CREATE TABLE base (i int)",
    "DROP SCHEMA IF EXISTS mine CASCADE",
    "ALTER SCHEMA mine RENAME TO z1",
    "SET search_path = z1, public",
    "SET search_path = z2, mine, public",
    "SET search_path = mine, public",
    "SET LOCAL search_path = shop, mine",
    "RESET search_path",
    "SELECT set_config('search_path', 'z1, mine', false)",
    "SET ROLE $boss",
    "SET LOCAL ROLE $keeper",
    "RESET ROLE",
    "SELECT set_config('role', '$boss', true)",
    "CREATE TABLE orders (id serial PRIMARY KEY)",
    "CREATE TABLE base (id int CONSTRAINT base_key UNIQUE)",
    "CREATE TABLE IF NOT EXISTS items (i int)",
    "CREATE TABLE z1.items (i int)",
    "CREATE TEMP TABLE orders (i int)",
    "CREATE VIEW recent2 AS SELECT * FROM orders",
    "CREATE SEQUENCE IF NOT EXISTS counter",
    "CREATE TYPE mood AS ENUM ('x')",
    "DROP TABLE IF EXISTS base CASCADE",
    "DROP TABLE mine.base CASCADE",
    "DROP TABLE IF EXISTS orders",
    "DROP VIEW IF EXISTS shop.above",
    "DROP INDEX IF EXISTS base_key",
    "DROP TYPE IF EXISTS mood",
    "ALTER TABLE orders ADD x int",
    "ALTER TABLE IF EXISTS base ADD y int",
    "ALTER TABLE mine.base SET SCHEMA z1",
    "ALTER TABLE ledger OWNER TO $keeper",
    "ALTER TABLE ledger ADD x int",
    "ALTER TABLE mine.parts DETACH PARTITION mine.part1",
    "ALTER SEQUENCE IF EXISTS orders_id_seq RESTART",
    "ALTER INDEX IF EXISTS base_key RENAME TO other_key",
    "ALTER TABLE log ADD y int DEFAULT 7",
    "GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC",
    "GRANT ALL ON ledger TO PUBLIC",
    "INSERT INTO log VALUES (1)",
    "SELECT count(*) FROM log",
    "COMMENT ON TABLE base IS 'x'",
    "COMMENT ON COLUMN ledger.id IS 'x'",
    "REINDEX TABLE log",
    "REINDEX TABLE base",
    "DO $$BEGIN PERFORM 1; END$$",
]
