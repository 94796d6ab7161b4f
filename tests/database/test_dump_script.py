"""What a dump's script says of the database and of the server, without a server."""

from __future__ import annotations

import pytest

from nself_tasks.database.dump_script import read, renamed, statements

SCRIPT = r"""
\restrict abc
SET client_encoding = 'UTF8';
CREATE DATABASE "my shop" WITH TEMPLATE = template0 ENCODING = 'UTF8' TABLESPACE = fast;
ALTER DATABASE "my shop" OWNER TO "the owner";
\unrestrict abc
\connect "my shop"
COMMENT ON DATABASE "my shop" IS 'GRANT ALL ON DATABASE x TO thief;
\connect elsewhere';
ALTER DATABASE "my shop" SET work_mem TO '5MB';
ALTER ROLE clerk IN DATABASE "my shop" SET search_path TO 'DATABASE x', 'b';
-- GRANT ALL ON TABLE t TO nobody;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
SET default_tablespace = slow;
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $_$ ALTER TABLE t OWNER TO thief; $_$;
ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA s GRANT SELECT ON TABLES TO reader;
GRANT SELECT("a TO b"),UPDATE ON TABLE t TO reader, "odd, role" WITH GRANT OPTION;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE POLICY p ON t FOR SELECT TO judge, jury USING ((x = 'TO thief'::text));
SET SESSION AUTHORIZATION giver;
GRANT CONNECT ON DATABASE "my shop" TO taker;
RESET SESSION AUTHORIZATION;
SECURITY LABEL FOR selinux ON DATABASE "my shop" IS 'x';
"""


def test_the_roles_that_it_needs_are_those_and_no_others() -> None:
    wanted = {"the owner", "clerk", "boss", "reader", "odd, role", "judge", "jury"}
    assert read(SCRIPT).roles == wanted | {"giver", "taker"}


def test_extensions_and_tablespaces_are_found() -> None:
    found = read(SCRIPT)
    assert (found.extensions, found.tablespaces) == ({"pg_trgm"}, {"fast", "slow"})


def test_what_is_about_the_database_is_kept_in_its_order_with_who_gave_it() -> None:
    found = read(SCRIPT)
    begins = [" ".join(statement.split()[:3]) for statement in found.properties]
    assert begins == [
        'ALTER DATABASE "my',
        "ALTER ROLE clerk",
        "SET SESSION AUTHORIZATION",
        "GRANT CONNECT ON",
        "RESET SESSION AUTHORIZATION",
        "SECURITY LABEL FOR",
    ]
    assert found.comment.endswith("\n\\connect elsewhere'")


@pytest.mark.parametrize(
    ("statement", "other"),
    [
        ("CREATE DATABASE shop WITH TEMPLATE = t", 'CREATE DATABASE "a""b" WITH TEMPLATE = t'),
        ('ALTER DATABASE "x y" SET a TO 1', 'ALTER DATABASE "a""b" SET a TO 1'),
        (
            'ALTER ROLE "DATABASE x" IN DATABASE shop SET a TO 1',
            'ALTER ROLE "DATABASE x" IN DATABASE "a""b" SET a TO 1',
        ),
        ("GRANT ALL ON DATABASE shop TO shop", 'GRANT ALL ON DATABASE "a""b" TO shop'),
        ("COMMENT ON DATABASE s IS 'DATABASE s'", 'COMMENT ON DATABASE "a""b" IS \'DATABASE s\''),
        ("GRANT ALL ON TABLE t TO x", "GRANT ALL ON TABLE t TO x"),
        ("SELECT 'ALTER DATABASE x'", "SELECT 'ALTER DATABASE x'"),
    ],
)
def test_only_the_name_of_the_database_becomes_another(statement: str, other: str) -> None:
    assert renamed(statement, 'a"b') == other


def test_a_semicolon_in_quotes_ends_no_statement() -> None:
    text = "SELECT ';', \"a;b\", $x$ ; $x$; -- no; end\nSELECT 2;\n"
    assert list(statements(text)) == ["SELECT ';', \"a;b\", $x$ ; $x$", "SELECT 2"]


def test_whoever_restores_acts_for_owners_and_not_for_those_who_were_given_rights() -> None:
    found = read(SCRIPT)
    assert found.owners == {"the owner", "boss"}
    assert found.authorizations == {"giver"}


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE FUNCTION f() RETURNS text\n    LANGUAGE sql\n    AS $$\n    LANGUAGE c LEAKPROOF$$",
        "CREATE FUNCTION f(a text DEFAULT '\n    LANGUAGE c ') RETURNS int\n    LANGUAGE sql",
        "CREATE PUBLICATION p WITH (publish = 'insert')",
        "CREATE CAST (a AS b) WITH FUNCTION f(a)",
        "COMMENT ON EVENT TRIGGER x IS 'CREATE EVENT TRIGGER y ON z'",
        "CREATE TYPE t AS (a integer)",
    ],
)
def test_what_no_superuser_is_needed_for_is_no_privileged_statement(statement: str) -> None:
    assert read(f"{statement};\n").privileged == {}
