"""A project with a backup of its database, and what is asked of the server about restores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql
from servers_for_tests import Nself, Project, Result, ScratchServer

FILL = (
    "CREATE TABLE kept (x text)",
    "INSERT INTO kept SELECT 'row ' || i FROM generate_series(1, 100) AS i",
)


def name_of(url: str) -> str:
    """The database's name in a URL."""
    return unquote(urlsplit(url).path.removeprefix("/"))


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A database with a hundred rows, its backup, and a migration that came after that."""

    project: Project
    nself: Nself
    url: str
    server_url: str
    id: str

    @property
    def name(self) -> str:
        """The database's name."""
        return name_of(self.url)

    @property
    def folder(self) -> Path:
        """The backup's folder."""
        return self.project.root / ".nself" / "backup" / self.id

    @property
    def kept(self) -> str:
        """What the replaced database is called."""
        return f"{self.name}_before_restore_{self.id}"

    @property
    def half(self) -> str:
        """What the database is called while it is being filled."""
        return f"{self.name}_restore_{self.id}"

    def restore(self, *arguments: str, **how: Any) -> Result:
        """Run `backups restore` of this backup."""
        return self.nself("backups", "restore", self.id, *arguments, **how)

    def databases(self) -> list[str]:
        """The databases of the server whose names begin like this one's."""
        asked = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1"
        with psycopg.connect(self.server_url) as connection:
            return [name for (name,) in connection.execute(asked, (self.name,))]

    def oid(self, name: str | None = None) -> int:
        """The identity of a database, by default of this one."""
        with psycopg.connect(self.server_url) as connection:
            row = connection.execute(
                "SELECT oid FROM pg_database WHERE datname = %s", (name or self.name,)
            ).fetchone()
        assert row is not None
        return int(row[0])

    def rows(self, query: str, url: str | None = None) -> list[Any]:
        """The rows of a query; of a query with one column its values."""
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            found = connection.execute(query).fetchall()  # type: ignore[arg-type]
        return [row[0] if len(row) == 1 else row for row in found]

    def damage(self) -> None:
        """Lose all rows, and change what is said of the database."""
        self.execute("DROP TABLE kept", "CREATE TABLE damage (x int)")

    def execute(self, *statements: str) -> None:
        """Run statements in the database, each by itself."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def manifest(self, **changes: Any) -> None:
        """Change what the manifest says of the database."""
        path = self.folder / "manifest.json"
        found = json.loads(path.read_text())
        found["database"] |= changes
        path.write_text(json.dumps(found))


@contextmanager
def backed_up(
    project: Project, nself: Nself, url: str, server: ScratchServer
) -> Iterator[BackedUp]:
    """Make it; at the end every database is dropped whose name begins with this one's."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement)  # type: ignore[arg-type]
    project.migration("1", "a", "CREATE TABLE later (x int);", "DROP TABLE later;")
    done = nself("run", "--json")
    assert done.code == 0, done.err
    found = BackedUp(project, nself, url, server.url, done.json()["backup"])
    try:
        yield found
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            for name in found.databases():
                quoted = sql.Identifier(name)
                connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(quoted))
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(quoted))
