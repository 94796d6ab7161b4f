"""A model's server that a test plays, and the command that asks it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_for_tests import Model, serving
from operator_environment import NO_SCRATCH_SERVER, ai, programs
from servers_for_tests import Nself, Project, ScratchServer

USERS = "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL);"


@pytest.fixture
def model() -> Iterator[Model]:
    """A server that answers as the test says."""
    with serving() as running:
        yield running


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A folder for temporary files whose path is short enough for a server's socket."""
    folder = Path(tempfile.mkdtemp(prefix="nt-", dir="/tmp"))
    # A server may be started as another user.
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def with_users(project: Project) -> Project:
    """A project whose one migration makes the table `users`."""
    project.migration("20260101000000", "create_users", USERS, "DROP TABLE users;")
    return project


@pytest.fixture
def nself(project: Project, database: str) -> Iterator[Nself]:
    """The command in `project` with a database, and without any scratch server."""
    yield from _command(project, {"DATABASE_URL": database} | NO_SCRATCH_SERVER)


@pytest.fixture
def drafting(with_users: Project, model: Model) -> Iterator[Nself]:
    """The command with a model and without any scratch server."""
    yield from _command(with_users, ai(model) | NO_SCRATCH_SERVER)


@pytest.fixture
def proving(with_users: Project, model: Model, server: ScratchServer) -> Iterator[Nself]:
    """The command with a model and a scratch server of the tests' major version."""
    yield from _command(with_users, ai(model) | {"NSELF_PG_BINDIR": programs(server)})


def _command(project: Project, environment: dict[str, str]) -> Iterator[Nself]:
    command = Nself(project.root, environment)
    yield command
    command.close()
