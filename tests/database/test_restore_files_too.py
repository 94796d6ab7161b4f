"""`backups restore` of a backup with files, with both, and at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest
import v1_projects
from observation import violations
from restores_for_tests import BackedUp, backed_up, name_of
from servers_for_tests import Nself, Project, ScratchServer


@pytest.fixture
def upgraded(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    """A v1 project that a run has brought to v2, with a migration: its backup has both."""
    v1_projects.write(project.root)
    with backed_up(project, nself, database, server) as shop:
        yield shop


def is_upgraded(shop: BackedUp) -> bool:
    done = shop.nself("detect", "--strict")
    assert done.code in (0, 3), done.err
    return done.code == 0


def has_later(shop: BackedUp) -> bool:
    return bool(shop.rows("SELECT to_regclass('later') IS NOT NULL")[0])


def test_without_a_flag_the_database_and_the_files_are_as_they_were(upgraded: BackedUp) -> None:
    assert (is_upgraded(upgraded), has_later(upgraded)) == (True, True)
    done = upgraded.restore("--json")
    assert (done.code, violations(done.json(), "restore")) == (0, [])
    assert (is_upgraded(upgraded), has_later(upgraded)) == (False, False)
    assert ".env" in done.json()["files"]["restored"]


@pytest.mark.parametrize("flag", ["--files", "--database"])
def test_with_one_the_other_is_left_alone(upgraded: BackedUp, flag: str) -> None:
    done = upgraded.restore(flag, "--json")
    assert (done.code, violations(done.json(), "restore")) == (0, [])
    assert is_upgraded(upgraded) == (flag == "--database")
    assert has_later(upgraded) == (flag == "--files")


def test_a_file_that_somebody_changed_stops_it_before_the_database_is_touched(
    upgraded: BackedUp,
) -> None:
    upgraded.project.write("docker-compose.yml", "services: {}\n")
    result = upgraded.restore("--json")
    assert (result.code, result.json()["error"]["code"]) == (1, "guard")
    assert (has_later(upgraded), upgraded.databases()) == (True, [upgraded.name])
    assert upgraded.restore("--force-files").code == 0
    assert is_upgraded(upgraded) is False


def test_its_dry_run_changes_neither(upgraded: BackedUp) -> None:
    for flags in (("--files",), ("--database",), ()):
        plan = upgraded.restore("--dry-run", "--json", *flags)
        assert (plan.code, violations(plan.json(), "plan")) == (0, [])
    assert (is_upgraded(upgraded), has_later(upgraded)) == (True, True)


def at_a_terminal(shop: BackedUp, *arguments: str, answer: str) -> tuple[int, str]:
    """Run the restore at a terminal of its own and type the answer; gives code and screen."""
    here, there = pty.openpty()
    os.write(here, answer.encode() + b"\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "nself_tasks", "migrate", "backups", "restore", shop.id, *arguments],
        cwd=shop.project.root,
        env={**os.environ, "DATABASE_URL": shop.url},
        stdin=there,
        stdout=there,
        stderr=there,
    )
    os.close(there)
    screen = b""
    while True:
        try:
            screen += os.read(here, 65536)
        except OSError:
            break
    os.close(here)
    return process.wait(60), screen.decode()


@pytest.mark.parametrize(("right", "code"), [(True, 0), (False, 2)], ids=["name", "yes"])
def test_in_prod_a_person_types_the_name_of_the_database(
    upgraded: BackedUp, right: bool, code: int
) -> None:
    upgraded.execute("UPDATE _nself_migration_meta SET environment = 'prod'")
    upgraded.manifest(environment="prod")
    answer = name_of(upgraded.url) if right else "yes"
    ended, screen = at_a_terminal(upgraded, "--replace", upgraded.name, answer=answer)
    assert (ended, has_later(upgraded)) == (code, not right), screen
    assert f"Type `{upgraded.name}` to go on" in screen
