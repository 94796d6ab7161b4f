"""Whatever is refused before a run the server itself refuses: nothing that works is kept out.

Each sequence of files runs as a role, statement by statement, in a transaction that is rolled back.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from random import Random

import psycopg
import pytest
from refused_statements import LEFT_TO_THE_SERVER, POOL, REFUSED, SETUP, TAKEN, WITH_FUNCTIONS
from servers_for_tests import ScratchServer

from nself_tasks.database import connection as connecting
from nself_tasks.database.rights import missing
from nself_tasks.migrations.needs import needs
from nself_tasks.migrations.script import parse
from nself_tasks.model import Script, SourceFile

MISSING_RIGHT = "42501"
ROLES = ("clerk", "keeper")
Case = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Office:
    """A database with things of several owners, and roles with few rights."""

    url: str
    prefix: str

    def files(self, sql: str) -> list[Script]:
        """The scripts of a sequence, whose files are cut by `---`."""
        return [
            parse(SourceFile(PurePosixPath(f"{i}.sql"), self.named(text), ""))
            for i, text in enumerate(sql.split("---"))
        ]

    def named(self, sql: str) -> str:
        """A text with the names of this office's roles."""
        for role in ("clerk", "keeper", "boss"):
            sql = sql.replace(f"${role}", f"{self.prefix}_{role}")
        return sql

    def refused(self, sql: str, role: str) -> list[str]:
        """What is said before a run as a role."""
        with closing(self._connected(role)) as connection:
            found = missing(connection, needs(self.files(sql)))
        return [f"{one.need.shown}: {one.need.right} {one.thing}" for one in found]

    def run(self, sql: str, role: str) -> str | None:
        """The SQLSTATE with which the server refuses a sequence; None where it takes it."""
        with closing(self._connected(role)) as connection:
            connection.execute("BEGIN")
            as_role = f"RESET ALL; SET SESSION AUTHORIZATION {self.prefix}_{role}"
            try:
                for file in self.files(sql):
                    connection.execute(as_role)  # type: ignore[arg-type]
                    for statement in file.statements:
                        connection.execute(statement.text)  # type: ignore[arg-type]
            except psycopg.Error as error:
                return error.sqlstate
            finally:
                connection.execute("ROLLBACK")
        return None

    def _connected(self, role: str) -> connecting.Conn:
        connection = connecting.connect(self.url, application="law")
        connection.execute(f"SET SESSION AUTHORIZATION {self.prefix}_{role}")
        return connection


def opened(server: ScratchServer, setup: str) -> Iterator[Office]:
    prefix = f"law_{secrets.token_hex(4)}"
    office = Office(server.create_database(prefix), prefix)
    with psycopg.connect(office.url, autocommit=True) as connection:
        connection.execute(office.named(setup))  # type: ignore[arg-type]
    yield office
    with psycopg.connect(office.url, autocommit=True) as connection:
        for role in ("clerk", "keeper", "boss"):
            connection.execute(office.named(f"DROP OWNED BY ${role} CASCADE"))  # type: ignore[arg-type]
    server.drop_database(prefix)
    with psycopg.connect(server.url, autocommit=True) as connection:
        for role in ("clerk", "keeper", "boss"):
            connection.execute(office.named(f"DROP ROLE ${role}"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def office(server: ScratchServer) -> Iterator[Office]:
    """One without any function of its own."""
    yield from opened(server, SETUP)


@pytest.fixture(scope="module")
def busy_office(server: ScratchServer) -> Iterator[Office]:
    """One whose functions and triggers give things away."""
    yield from opened(server, SETUP + WITH_FUNCTIONS)


@pytest.mark.parametrize(("role", "sql"), REFUSED)
def test_what_the_server_surely_refuses_is_refused_before(
    office: Office, role: str, sql: str
) -> None:
    assert office.run(sql, role) == MISSING_RIGHT
    assert office.refused(sql, role)


@pytest.mark.parametrize(("role", "sql"), TAKEN)
def test_what_an_earlier_statement_makes_true_is_not_refused(
    busy_office: Office, role: str, sql: str
) -> None:
    assert busy_office.run(sql, role) is None
    assert busy_office.refused(sql, role) == []


@pytest.mark.parametrize(("role", "sql"), LEFT_TO_THE_SERVER)
def test_what_cannot_be_told_is_left_to_the_server(office: Office, role: str, sql: str) -> None:
    assert office.run(sql, role) is not None
    assert office.refused(sql, role) == []


def sequences(seed: int) -> Iterator[Case]:
    random = Random(seed)
    for _ in range(150):
        many = random.randint(2, 5)
        glue = [random.choice((";\n", ";\n", ";\n---\n")) for _ in range(many)]
        chosen = zip(random.choices(POOL, k=many), glue, strict=True)
        yield random.choice(ROLES), "".join(f"{one}{end}" for one, end in chosen).rstrip("-\n")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("where", ["office", "busy_office"])
def test_no_sequence_is_refused_that_the_server_takes(
    request: pytest.FixtureRequest, where: str, seed: int
) -> None:
    office: Office = request.getfixturevalue(where)
    refused = [(role, sql) for role, sql in sequences(seed) if office.refused(sql, role)]
    assert len(refused) >= 10
    assert [(role, sql) for role, sql in refused if office.run(sql, role) is None] == []
