"""A different secret in every place that holds one, and none of them in anything that is shown."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import plugins_for_tests as plugins
import psycopg
import pytest
import v1_projects
from hostile import in_words, rows
from process_list import Seen, watched
from servers_for_tests import Nself, Result, ScratchServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process list is read in /proc")

PLACES = ("env", "prod", "known", "url", "literal", "failing", "plugin")


@dataclass
class Planted:
    """The secrets, and all that was said and seen since they were planted."""

    values: dict[str, str]
    said: list[str] = field(default_factory=list)
    lists: list[Seen] = field(default_factory=list)

    def found(self, text: str) -> list[str]:
        """The places whose secret stands in a text."""
        return [place for place, value in self.values.items() if value in text]


@pytest.fixture
def planted() -> Planted:
    return Planted({place: f"S3cr3t-{place}-{secrets.token_hex(6)}" for place in PLACES})


@pytest.fixture
def login(server: ScratchServer, database: str, planted: Planted) -> Iterator[str]:
    """The URL of the database for a user whose password the server really asks for."""
    name = f"ada_{secrets.token_hex(4)}"
    [file] = rows(server.url, "SHOW hba_file")
    before = Path(file).read_bytes()
    execute(server.url, f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{planted.values['url']}'")
    lines = "".join(f"{sort} all {name} {where} scram-sha-256\n" for sort, where in HBA)
    Path(file).write_bytes(lines.encode() + before)
    execute(server.url, "SELECT pg_reload_conf()")
    yield re.sub(r"//[^@/]*@?", f"//{name}:{planted.values['url']}@", database, count=1)
    Path(file).write_bytes(before)
    execute(server.url, "SELECT pg_reload_conf()")
    server.drop_database(re.sub(r".*/([^/?]+)(?:\?.*)?$", r"\1", database))
    for role in rows(server.url, f"SELECT rolname FROM pg_roles WHERE rolname ~ '{name}'"):
        execute(server.url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


HBA = (("local", ""), ("host", "127.0.0.1/32"))


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def shop(tmp_path: Path, planted: Planted, login: str) -> Path:
    """A v1 project with a secret in every place but the URL, which is the process's."""
    root, values = v1_projects.write(tmp_path / "shop"), planted.values
    env = (root / ".env").read_text().replace("dev-secret-one", values["env"])
    (root / ".env").write_text(f"{env}STRIPE_API_KEY={values['known']}\n")
    prod = (root / ".env.prod").read_text()
    (root / ".env.prod").write_text(f"{prod}HASURA_ADMIN_SECRET={values['prod']}\n")
    plugins.write(
        root / "plugins",
        "shop",
        plugins.manifest(description=f"needs API_SECRET={values['plugin']}"),
    )
    user = re.sub(r".*//(\w+):.*", r"\1_shop", login)
    write(root, "1_role", f"CREATE ROLE {user} LOGIN PASSWORD '{values['literal']}';")
    write(root, "1_role.down", f"DROP ROLE {user};")
    (root / "role").write_text(user)
    return root


def write(root: Path, name: str, sql: str) -> Path:
    path = root / "backend/migrations" / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sql)
    return path


@pytest.fixture
def nself(shop: Path, login: str, tmp_path: Path) -> Nself:
    return Nself(shop, {"DATABASE_URL": login, "HOME": str(tmp_path)})


def watching(nself: Nself, planted: Planted, *arguments: str, **how: dict[str, str]) -> Result:
    """Run a command, and keep what it says and what the process list says meanwhile."""
    with watched() as seen:
        result = in_words(nself(*arguments, **how), 0, 1, 2, 3)
    planted.said += [result.out, result.err]
    planted.lists.append(seen)
    return result


def statement_that_fails(known: str, failing: str) -> str:
    """The server tells of a row that has a secret of the env files; a literal is in the SQL."""
    return (
        "CREATE TABLE token (token text PRIMARY KEY);\n"
        f"INSERT INTO token VALUES ('{known}'); INSERT INTO token VALUES ('{known}');"
        f" ALTER ROLE nobody PASSWORD '{failing}';"
    )


def test_no_secret_is_shown_written_or_in_the_process_list(
    shop: Path, nself: Nself, planted: Planted, login: str
) -> None:
    values = planted.values
    for look in (["detect", "--verbose"], ["detect", "--json"], ["status", "--verbose"], ["graph"]):
        watching(nself, planted, *look)
    for how in (["--json"], ["--verbose"]):
        watching(nself, planted, "run", "--dry-run", "--diff", "--sql", *how)
    assert watching(nself, planted, "run", "--verbose").code == 0
    # Proof that each was there to be shown: the secret has arrived where it was to arrive.
    assert f"HASURA_GRAPHQL_ADMIN_SECRET={values['env']}" in (shop / ".env").read_text()
    assert values["prod"] in (shop / ".env.prod").read_text()
    assert values["plugin"] in (shop / "plugins/shop/plugin.json").read_text()
    assert "manifest_version" in (shop / "plugins/shop/plugin.json").read_text()
    role = (shop / "role").read_text()
    psycopg.connect(login, user=role, password=values["literal"], dbname="postgres").close()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(login, password="wrong").close()

    broken = write(shop, "2_b", statement_that_fails(values["known"], values["failing"]))
    for how in ([], ["--json"]):
        said = watching(nself, planted, "run", "--skip-backup", *how)
        assert said.code == 1
        assert "already exists" in said.out + said.err
    broken.write_text(f"ALTER ROLE {role} PASSWORD '{values['failing']}' nonsense;")
    said = watching(nself, planted, "run", "--skip-backup")
    assert "PASSWORD ***" in said.err
    watching(nself, planted, "run", "--dry-run", "--sql")
    wrong = {"DATABASE_URL": login.replace(values["url"], values["url"] + "x")}
    assert watching(nself, planted, "run", environment=wrong).code == 1
    edited = write(shop, "1_role", f"CREATE ROLE {role} LOGIN PASSWORD '{values['failing']}';")
    watching(nself, planted, "status", "--verbose")
    edited.write_text(f"CREATE ROLE {role} LOGIN PASSWORD '{values['literal']}';")
    broken.unlink()
    assert watching(nself, planted, "rollback", "--verbose").code == 0
    for look in (["list"], ["list", "--json"], ["show", _newest(shop)], ["verify", _newest(shop)]):
        assert watching(nself, planted, "backups", *look).code == 0
    watching(nself, planted, "backups", "restore", _newest(shop), "--dry-run", "--json")
    watching(nself, planted, "maintenance", "status")
    watching(nself, planted, "graph", "--json")
    watching(nself, planted, "rollback", "--files", "--dry-run", "--json")
    assert watching(nself, planted, "rollback", "--files").code == 0
    watching(nself, planted, "doit", "list", "--all", "--status")

    assert [found for text in planted.said if (found := planted.found(text))] == []
    shown = [line for seen in planted.lists for line in seen.command_lines]
    assert [line for line in shown if planted.found(line.decode("utf-8", "replace"))] == []
    assert any(b"pg_dump" in line for line in shown), "the list was not looked at often enough"
    assert min(seen.looks for seen in planted.lists) >= 3
    _only_private_files_hold_them(shop, planted)


def _newest(shop: Path) -> str:
    return max(path.name for path in (shop / ".nself/backup").iterdir() if path.is_dir())


def _only_private_files_hold_them(shop: Path, planted: Planted) -> None:
    """Copies of the project's files and dumps have to hold them: nobody else may read those."""
    holding = []
    for folder, _, names in os.walk(shop / ".nself"):
        for path in (Path(folder) / name for name in names):
            if planted.found(path.read_bytes().decode("utf-8", "replace")):
                holding.append(path.relative_to(shop))
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert holding, "not even the backup has them: this test looks at the wrong place"
    kinds = {path.parts[:2] for path in holding}
    assert kinds <= {(".nself", "backup")}, holding
    assert not [path for path in holding if path.name == "manifest.json"]
    for private in (".nself/backup", ".nself/migrate"):
        assert stat.S_IMODE((shop / private).stat().st_mode) == 0o700
