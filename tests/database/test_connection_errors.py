"""Databases that cannot be used: one clear sentence each, exit 1, and never the password."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from servers_for_tests import Nself, Project, Result, available, installation
from sql_for_tests import execute, rows, tables

from nself_tasks.database.servers.cluster import Cluster
from nself_tasks.database.servers.scratch import throw_away
from nself_tasks.database.servers.sockets import server_url

PASSWORD = "s3cr3t/p@ss"
ENCODED = "s3cr3t%2Fp%40ss"
COMMANDS = [["run"], ["run", "--dry-run"], ["status"], ["rollback"]]


@pytest.fixture(autouse=True)
def pending(project: Project) -> None:
    """Something to do, or the database is not asked."""
    project.migration("1", "a", "CREATE TABLE a (id int);")


def refused(nself: Nself, url: str | None, *command: str) -> Result:
    """Run a command three ways against a URL, and look for the password in all that it says."""
    environment = {"DATABASE_URL": url} if url else None
    for flags in (["--verbose"], ["--json", "--verbose"]):
        result = nself(*command, *flags, environment=environment)
        assert result.code == 1, result
        said = result.out + result.err
        assert not any(secret in said for secret in (PASSWORD, ENCODED, "s3cr3t"))
    error = result.json()["error"]
    assert error["hint"]
    assert "\n" not in error["message"]
    assert "Traceback" not in (error["detail"] or "")
    return result


def url_with(database: str, *, login: str, name: str | None = None) -> str:
    """The test server's URL with another login, and perhaps another database."""
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    path = parts.path if name is None else f"/{name}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}", path=path))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_database_is_configured(nself_offline: Nself, command: list[str]) -> None:
    result = refused(nself_offline, None, *command)
    error = result.json()["error"]
    assert error["message"].startswith("no database is configured: looked for `--database-url`")
    assert error["code"] == "connection"


@pytest.mark.parametrize("command", [["run"], ["status"]], ids=" ".join)
def test_no_server_answers(nself: Nself, command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = refused(nself, f"postgresql://ada:{ENCODED}@127.0.0.1:{port}/shop", *command)
    error = result.json()["error"]
    shown = f"postgresql://ada:***@127.0.0.1:{port}/shop"
    assert error["message"] == f"cannot connect to {shown}: no server answers there"
    assert error["hint"] == "start it, or correct the database URL"
    assert error["database"] == "unchanged"


def test_no_socket_is_there(nself: Nself, tmp_path: Path) -> None:
    result = refused(nself, f"postgresql://ada:{ENCODED}@/shop?host={tmp_path}", "run")
    assert result.json()["error"]["message"].endswith(": no server answers there")


def test_the_host_is_unknown(nself: Nself) -> None:
    result = refused(nself, f"postgresql://ada:{ENCODED}@no-such-host.invalid/shop", "run")
    assert result.json()["error"]["message"].endswith(": the host name is unknown")


def test_the_server_has_no_such_database(nself: Nself, database: str) -> None:
    url = url_with(database, login=f"postgres:{ENCODED}", name="nself_no_such_database")
    result = refused(nself, url, "run")
    assert result.json()["error"]["message"].endswith(": the server has no such database")


def test_the_server_has_no_such_user(nself: Nself, database: str) -> None:
    result = refused(nself, url_with(database, login=f"nself_nobody:{ENCODED}"), "run")
    assert result.json()["error"]["message"].endswith(": the server has no such user")


def test_the_user_may_not_create_the_history_table(
    nself: Nself, database: str, project: Project
) -> None:
    execute(
        database,
        "DO $$ BEGIN CREATE ROLE nself_test_visitor LOGIN; EXCEPTION WHEN duplicate_object OR"
        " unique_violation THEN NULL; END $$",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    visitor = url_with(database, login=f"nself_test_visitor:{ENCODED}")
    error = refused(nself, visitor, "run").json()["error"]
    assert 'GRANT CREATE ON SCHEMA "public" TO "nself_test_visitor"' in error["hint"]
    # Where no migration makes anything there, the history still has to be.
    for path in project.migrations.iterdir():
        path.write_text("SELECT 1;")
    error = refused(nself, visitor, "run").json()["error"]
    assert "the database user `nself_test_visitor` may not create" in error["message"]
    assert "GRANT CREATE ON SCHEMA public" in error["hint"]
    assert (error["code"], error["database"]) == ("guard", "unchanged")
    assert tables(database) == []


def test_the_user_may_not_read_the_history(nself: Nself, database: str) -> None:
    execute(
        database,
        "DO $$ BEGIN CREATE ROLE nself_test_visitor LOGIN; EXCEPTION WHEN duplicate_object OR"
        " unique_violation THEN NULL; END $$",
    )
    assert nself("run", "--skip-backup").code == 0
    url = url_with(database, login=f"nself_test_visitor:{ENCODED}")
    for command in ("run", "status"):
        message = refused(nself, url, command).json()["error"]["message"]
        assert message == "this database user may not read public._nself_migrations"


@pytest.mark.parametrize("command", ["run", "rollback"])
def test_the_database_is_read_only(nself: Nself, database: str, command: str) -> None:
    [name] = rows(database, "SELECT current_database()")
    execute(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    error = refused(nself, None, command).json()["error"]
    assert error["message"] == "the server is read-only (`default_transaction_read_only` is on)"
    assert error["database"] == "unchanged"


def test_a_read_only_database_can_still_be_looked_at(nself: Nself, database: str) -> None:
    [name] = rows(database, "SELECT current_database()")
    execute(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert nself("status").code == 0
    assert nself("run", "--dry-run").code == 0


def test_the_database_has_no_schema_public(nself: Nself, database: str) -> None:
    execute(database, "DROP SCHEMA public CASCADE")
    error = refused(nself, None, "run").json()["error"]
    assert error["message"].startswith("the database has no schema `public`")


# --- a server that asks for a password --------------------------------------------------------


@dataclass(frozen=True)
class Strict:
    """A server of our own whose user `ada` needs her password."""

    url: str

    def login(self, password: str) -> str:
        """The URL with a password."""
        return self.url.replace("//postgres@", f"//ada:{password}@" if password else "//ada@")


@pytest.fixture(scope="module")
def strict() -> Iterator[Strict]:
    """Started once for these tests; `ada` logs in with SCRAM, everybody else is trusted."""
    kinds = [kind for kind in ("embedded", "local") if available(kind)]
    if not kinds:
        pytest.skip("no Postgres programs to start a server with")
    programs = installation(kinds[0])
    assert programs is not None

    def asking(cluster: Cluster) -> None:
        cluster.initialise()
        rules = cluster.data_dir / "pg_hba.conf"
        rules.write_text("local all ada scram-sha-256\nlocal all all trust\n")

    with throw_away(programs, asking) as folder:
        url = server_url(folder)
        execute(url, f"CREATE ROLE ada LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        yield Strict(url)


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("s3cr3twrong", "the server refused the user name or password"),
        ("", "the server wants a password, and the database URL has none"),
    ],
    ids=["wrong", "none"],
)
def test_the_password_is_refused(
    nself_offline: Nself, strict: Strict, password: str, sentence: str
) -> None:
    message = refused(nself_offline, strict.login(password), "run").json()["error"]["message"]
    assert message.endswith(f": {sentence}")


def test_the_right_password_reaches_pg_dump_and_no_output(
    nself_offline: Nself, project: Project, strict: Strict
) -> None:
    environment = {"DATABASE_URL": strict.login(ENCODED)}
    result = nself_offline("run", "--verbose", "--json", environment=environment)
    assert result.code == 0, result.err
    assert result.json()["target"].startswith("postgresql://ada:***@")
    assert list((project.root / ".nself" / "backup").glob("*/database.dump"))
    kept = [p.read_bytes() for p in (project.root / ".nself").rglob("*") if p.is_file()]
    said = (result.out + result.err).encode()
    assert not any(b"s3cr3t" in text for text in [said, *kept])


def test_a_password_in_a_migration_is_shown_nowhere(
    project: Project, nself: Nself, database: str
) -> None:
    up = "SELECT 1;\nALTER ROLE nself_nobody PASSWORD 's3cr3twrong';\n"
    project.migration("1", "a", up)
    refused(nself, None, "run", "--skip-backup")
    plan = nself("run", "--dry-run", "--sql", "--json")
    assert "s3cr3t" not in plan.out + plan.err
    assert rows(database, "SELECT to_regclass('public.a')") == [None]
