"""What a dump needs and its user may not do is said before anything; what he may is restored."""

from __future__ import annotations

# ruff: noqa: ISC004
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from restores_for_tests import BackedUp, backed_up, name_of
from servers_for_tests import Nself, Project, ScratchServer
from sql_for_tests import execute

Shops = Iterator[BackedUp]


class Owner:
    """Somebody who owns a database, may make others, and is no superuser."""

    def __init__(self, project: Project, database: str, server: ScratchServer) -> None:
        self.project, self.database, self.server = project, database, server
        self.name = f"owner_{name_of(database)}"
        parts = urlsplit(database)
        netloc = f"{self.name}@{parts.netloc.rpartition('@')[2]}"
        self.url = parts._replace(netloc=netloc).geturl()
        execute(
            database,
            f"CREATE ROLE {self.name} LOGIN CREATEDB",
            *(f"CREATE ROLE {self.name}_{other}" for other in ("a", "b", "stranger")),
            f"GRANT {self.name}_a, {self.name}_b TO {self.name}",
            f"ALTER DATABASE {name_of(database)} OWNER TO {self.name}",
            f"ALTER SCHEMA public OWNER TO {self.name}",
        )

    @contextmanager
    def with_backup_of(self, *statements: str) -> Shops:
        """The owner's database with what a superuser has made in it, and its backup."""
        execute(self.database, *(statement.format(me=self.name) for statement in statements))
        command = Nself(self.project.root, {"DATABASE_URL": self.url})
        try:
            with backed_up(self.project, command, self.url, self.server) as found:
                yield found
        finally:
            command.close()

    def close(self) -> None:
        """Drop the database and the roles."""
        self.server.drop_database(name_of(self.database))
        roles = ", ".join(self.name + end for end in ("", "_a", "_b", "_stranger"))
        execute(self.server.url, f"DROP ROLE {roles}")


@pytest.fixture
def owner(project: Project, database: str, server: ScratchServer) -> Iterator[Owner]:
    found = Owner(project, database, server)
    yield found
    found.close()


FUNCTION = (
    "CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RETURN; END'",
    "ALTER FUNCTION noted() OWNER TO {me}",
)
BEYOND = [
    ("CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION noted()", "an event trigger"),
    ("CREATE FOREIGN DATA WRAPPER odd", "a foreign-data wrapper"),
    ("CREATE PUBLICATION everything FOR ALL TABLES", "a publication of all tables"),
    (
        "CREATE FUNCTION quick(float8, float8) RETURNS float8 LANGUAGE internal STRICT IMMUTABLE"
        " AS 'float8pl'",
        "a function in an untrusted language",
    ),
    (
        "CREATE FUNCTION sure(t text DEFAULT 'x;') RETURNS int IMMUTABLE LEAKPROOF LANGUAGE sql"
        " AS 'SELECT 1'",
        "a leakproof function",
    ),
    (
        "CREATE OPERATOR CLASS own_ops FOR TYPE int4 USING hash AS OPERATOR 1 =, FUNCTION 1"
        " hashint4(int4)",
        "an operator class or family",
    ),
    ("CREATE CAST (text AS bytea) WITHOUT FUNCTION", "a cast without function"),
]


@pytest.mark.parametrize(("sql", "said"), BEYOND)
def test_what_only_a_superuser_may_make_is_named_before_anything(
    owner: Owner, sql: str, said: str
) -> None:
    with owner.with_backup_of(*FUNCTION, sql) as shop:
        is_refused(shop, f"only a superuser may make {said}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(owner.url, sql)


def is_refused(shop: BackedUp, said: str) -> None:
    before = shop.databases()
    for flags in (("--database",), ("--database", "--dry-run"), ("--into", f"{shop.name}_2")):
        refused = shop.restore(*flags, "--json")
        error = refused.json()["error"]
        assert (refused.code, error["database"]) == (1, "unchanged"), refused.out
        assert error["message"] == "the server lacks what this restore needs"
        assert said in " ".join(problem["message"] for problem in error["problems"])
    assert shop.databases() == before


def test_a_grant_that_somebody_else_gave_is_named_before_anything(owner: Owner) -> None:
    with owner.with_backup_of(
        "CREATE TABLE a (i int)",
        "ALTER TABLE a OWNER TO {me}",
        "GRANT SELECT ON a TO {me}_a WITH GRANT OPTION",
        "SET ROLE {me}_a; GRANT SELECT ON a TO {me}_b",
    ) as shop:
        is_refused(shop, f"only a superuser may act for `{owner.name}_a`")


def test_a_role_that_owns_something_and_an_extension_that_is_not_trusted_are_named(
    owner: Owner,
) -> None:
    with owner.with_backup_of(
        "CREATE EXTENSION pg_visibility",
        "CREATE VIEW v AS SELECT 1",
        "ALTER VIEW v OWNER TO {me}_stranger",
    ) as shop:
        is_refused(shop, f"no member of `{owner.name}_stranger`")
        is_refused(shop, "extension `pg_visibility` can be created by a superuser only")


@pytest.fixture
def ssd(owner: Owner) -> Iterator[str]:
    """A tablespace, until a test drops it."""
    name = f"{owner.name}_ssd"
    with psycopg.connect(owner.database, autocommit=True) as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute(f"CREATE TABLESPACE {name} LOCATION ''".encode())
    yield name
    execute(owner.server.url, f"DROP TABLESPACE IF EXISTS {name}")


def test_a_tablespace_that_is_no_more_is_named_before_anything(owner: Owner, ssd: str) -> None:
    with owner.with_backup_of(
        f"CREATE TABLE fast (i int) TABLESPACE {ssd}", "ALTER TABLE fast OWNER TO {me}"
    ) as shop:
        execute(owner.database, "DROP TABLE fast", f"DROP TABLESPACE {ssd}")
        is_refused(shop, f"tablespace `{ssd}` does not exist")


def test_a_superuser_restores_all_of_it(owner: Owner) -> None:
    statements = [sql for sql, _ in BEYOND if "EVENT TRIGGER" not in sql]
    with owner.with_backup_of(*FUNCTION, *statements) as shop:
        execute(owner.database, "DROP TABLE kept")
        done = shop.restore("--database", environment={"DATABASE_URL": owner.database})
        assert done.code == 0, done.err
        assert shop.rows("SELECT count(*) FROM kept") == [100]


def test_what_the_owner_may_make_is_restored_by_him(owner: Owner) -> None:
    with owner.with_backup_of(
        *FUNCTION,
        "SET ROLE {me}; CREATE EXTENSION citext",
        "SET ROLE {me}; CREATE TABLE a (i int, t citext)",
        "SET ROLE {me}; GRANT SELECT ON a TO {me}_stranger WITH GRANT OPTION",
        "SET ROLE {me}; CREATE PUBLICATION one FOR TABLE a",
        "SET ROLE {me}; CREATE FUNCTION says() RETURNS text LANGUAGE sql AS"
        " $$SELECT 'CREATE EVENT TRIGGER x;\n    LANGUAGE c LEAKPROOF'::text$$",
        "CREATE SCHEMA s AUTHORIZATION {me}_a",
        "SET ROLE {me}_a; CREATE TABLE s.b (i int)",
    ) as shop:
        execute(owner.url, "DROP TABLE kept")
        done = shop.restore("--database")
        assert done.code == 0, done.err
        assert shop.rows("SELECT count(*) FROM kept") == [100]
