"""Fixtures for the Compose stack: a `docker` on PATH whose container is the test's own server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import docker_for_tests
import pytest
import servers_for_tests as servers
from docker_for_tests import Docker
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.database.servers.binaries import Installation

# The proxy and the onlooker of the faults: a container's server listens on a port.
sys.path.append(str(Path(__file__).parents[1] / "faults"))

from onlooker import Onlooker
from wire import Wire, between

POSTGRES = ("psql", "pg_dump", "pg_restore")


@pytest.fixture(scope="session")
def inside(server: ScratchServer) -> Installation:
    """The programs of the server, which its container has too."""
    found = servers.installation(server.kind) if server.kind in ("embedded", "local") else None
    if found is None:
        pytest.skip("the server's own programs are not at hand")
    return found


@pytest.fixture
def docker(tmp_path: Path, project: Project, database: str, inside: Installation) -> Docker:
    """A stack `demo` in whose container the test's server runs."""
    stack = docker_for_tests.install(tmp_path / "engine", project.root)
    stack.put(POSTGRES, folder=inside.bin_dir)
    stack.set(environment=docker_for_tests.libpq(database))
    return stack


@pytest.fixture
def bare(tmp_path: Path, docker: Docker) -> dict[str, str]:
    """A machine with `docker` and without any Postgres program."""
    (tmp_path / "site").mkdir()
    return docker_for_tests.without_local_programs(tmp_path / "site") | {"PATH": docker.path}


@pytest.fixture
def wire(database: str) -> Iterator[Wire]:
    """The port on which the server listens inside of its container."""
    with between(database) as proxy:
        yield proxy


@pytest.fixture
def onlooker(database: str) -> Onlooker:
    """The database seen from outside."""
    return Onlooker(database)


@pytest.fixture
def behind(project: Project, docker: Docker, wire: Wire) -> Iterator[Nself]:
    """The command where only the Compose network knows the host of the database URL."""
    docker.put(["perl"])
    url = wire.url.replace("@127.0.0.1:", "@postgres:")
    command = Nself(project.root, {"DATABASE_URL": url, "PATH": docker.path})
    yield command
    command.close()
