"""Fixtures for faults: the proxy, the onlooker, what an undisturbed run leaves, an own server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bookkeeping
import pytest
import servers_for_tests as servers
from catalogs import catalog
from onlooker import Onlooker
from servers_for_tests import Nself, Project, ScratchServer
from wire import Wire, between

from nself_tasks.database.servers.binaries import Installation, dump_tools


@dataclass(frozen=True, slots=True)
class Left:
    """All that a run leaves in a database."""

    catalog: str
    rows: dict[str, Any]
    history: list[tuple[str, str]]


@pytest.fixture
def wire(database: str) -> Iterator[Wire]:
    """A proxy before the server, in the way of the commands that are given its URL."""
    with between(database) as proxy:
        yield proxy


@pytest.fixture
def onlooker(database: str) -> Onlooker:
    """The database seen from outside."""
    return Onlooker(database)


@pytest.fixture(scope="session")
def tools(server: ScratchServer) -> Installation:
    """A pg_dump of the server's major version."""
    found = dump_tools(server.major)
    if found is None:
        pytest.skip(f"no pg_dump of PostgreSQL {server.major}")
    return found


def left(url: str, tools: Installation) -> Left:
    return Left(catalog(url, tools), bookkeeping.contents(url), Onlooker(url).history())


@pytest.fixture(scope="session")
def undisturbed(
    server: ScratchServer, tools: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Left:
    """What the five migrations leave when nobody disturbs them."""
    url = server.create_database("undisturbed")
    project = servers.new_project(tmp_path_factory.mktemp("undisturbed"))
    bookkeeping.prepare(project, url)
    command = Nself(project.root, {"DATABASE_URL": url})
    done = command("run", "--skip-backup")
    command.close()
    assert done.code == 0, done.err
    found = left(url, tools)
    server.drop_database("undisturbed")
    return found


@pytest.fixture
def left_now(database: str, tools: Installation) -> Any:
    """What lies in the database of the test now."""
    return lambda: left(database, tools)


@pytest.fixture
def five(project: Project, database: str) -> Project:
    """A project with the five migrations, and the database as they expect it."""
    bookkeeping.prepare(project, database)
    return project


@pytest.fixture
def journals(project: Project) -> Path:
    """The folder in which doit's record lies."""
    return project.root / ".nself" / "migrate"
