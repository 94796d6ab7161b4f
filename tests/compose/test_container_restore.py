"""A restore through the stack's container, where this machine has no `pg_restore` of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from docker_for_tests import Docker
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, ScratchServer


@pytest.fixture
def saved(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    """A backup that the programs of this machine have taken."""
    with backed_up(project, nself, database, server) as found:
        yield found


def test_the_containers_program_puts_a_damaged_database_back(
    saved: BackedUp, bare: dict[str, str]
) -> None:
    saved.damage()
    done = saved.restore("--database", "--json", environment=bare)
    assert done.code == 0, done.err
    assert saved.rows("SELECT count(*)::int FROM kept") == [100]
    assert saved.rows("SELECT to_regclass('damage')::text") == [None]


def test_verify_reads_the_dump_through_the_container(saved: BackedUp, bare: dict[str, str]) -> None:
    told = saved.nself("backups", "verify", "--json", environment=bare)
    assert told.code == 0, told.err
    [found] = told.json()["verified"]
    assert found["sound"]
    assert found["entries"] > 0


def test_a_container_of_another_server_restores_nothing(
    saved: BackedUp, bare: dict[str, str], docker: Docker
) -> None:
    docker.set(environment={"PGHOST": "/nowhere"})
    saved.execute("DELETE FROM kept WHERE x = 'row 1'")
    refused = saved.restore("--database", environment=bare)
    assert refused.code == 1
    assert "no `pg_restore` was found" in refused.err
    assert saved.rows("SELECT count(*)::int FROM kept") == [99]


def test_without_any_program_it_is_refused_before_anything(
    saved: BackedUp, bare: dict[str, str], docker: Docker
) -> None:
    docker.set(state="exited")
    refused = saved.restore("--database", environment=bare)
    assert refused.code == 1
    assert "or newer was found" in refused.err
    assert saved.rows("SELECT count(*)::int FROM kept") == [100]


def test_where_only_the_compose_network_knows_the_server_it_goes_through_the_container(
    behind: Nself, saved: BackedUp
) -> None:
    saved.damage()
    command = ("backups", "restore", saved.id, "--database")
    assert behind(*command).code == 1
    done = behind(*command, "--via", "compose")
    assert done.code == 0, done.err
    assert saved.rows("SELECT count(*)::int FROM kept") == [100]
