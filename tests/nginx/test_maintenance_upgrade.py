"""Maintenance over an upgrade, a kill and a commit: nothing of it is left, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from nginx_for_tests import NGINX
from nginx_stack import Stack, mount, running
from servers_for_tests import Nself, within
from v1_projects import tree

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.skipif(
        NGINX is None, reason="nginx is not installed (apt-get install nginx-light)"
    ),
]
SNIPPET = "nginx/conf.d/0-nself-maintenance.conf"
IGNORE = "nginx/conf.d/.gitignore"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running(tmp_path, "v1") as found:
        yield found


@pytest.fixture
def nself(stack: Stack) -> Iterator[Nself]:
    command = Nself(stack.project, stack.environment)
    yield command
    command.close()


# --- upgrades ---


def test_the_file_is_no_finding(nself: Nself, stack: Stack) -> None:
    before = nself("detect", "--json").json()
    assert nself("maintenance", "enable").code == 0
    assert nself("detect", "--json").json() == before


def test_an_upgraded_project_in_maintenance_is_v2(nself: Nself) -> None:
    assert nself("maintenance", "enable").code == 0
    assert nself("run", "--files-only").code == 0
    assert nself("detect", "--strict").code == 0


def test_an_upgrade_in_maintenance_makes_what_it_makes_without(nself: Nself, stack: Stack) -> None:
    assert nself("run", "--files-only").code == 0
    without = tree(stack.project)
    assert nself("rollback", "--files").code == 0
    assert nself("maintenance", "enable").code == 0
    assert nself("run", "--files-only").code == 0
    assert {k: v for k, v in tree(stack.project).items() if k not in (SNIPPET, IGNORE)} == without
    assert nself("maintenance", "disable").code == 0
    assert tree(stack.project) == without


def test_a_project_that_goes_back_in_maintenance_is_as_it_was(nself: Nself, stack: Stack) -> None:
    before = tree(stack.project)
    assert nself("maintenance", "enable").code == 0
    enabled = tree(stack.project)
    assert nself("run", "--files-only").code == 0
    assert nself("rollback", "--files").code == 0
    assert tree(stack.project) == enabled
    assert nself("maintenance", "disable").code == 0
    assert tree(stack.project) == before


def test_after_the_upgrade_the_file_names_the_certificates_that_are_there_now(
    nself: Nself, stack: Stack
) -> None:
    nself("maintenance", "enable")
    old = (stack.project / SNIPPET).read_text()
    result = nself("run", "--files-only")
    assert "the maintenance page was written anew" in result.err
    new, site = (stack.project / SNIPPET).read_text(), "nginx/sites/hasura.conf"
    [certificate] = [
        line.strip()
        for line in (stack.project / site).read_text().splitlines()
        if line.strip().startswith("ssl_certificate ")
    ]
    assert (certificate in old, certificate in new) == (False, True)
    assert old.splitlines()[:4] == new.splitlines()[:4]


def test_nginx_accepts_the_upgraded_files_and_stays_in_maintenance(
    nself: Nself, stack: Stack
) -> None:
    assert nself("maintenance", "enable").code == 0
    assert nself("run", "--files-only").code == 0
    mount(stack.project, stack.tree)
    assert "[emerg]" not in stack.tree.check()
    assert subprocess.run(stack.tree.command("-s", "reload"), check=False).returncode == 0
    status = nself("maintenance", "status", "--json").json()
    assert (status["site"], status["file"]) == ("maintenance", "present")


def test_a_project_without_maintenance_is_upgraded_without_a_word_of_it(nself: Nself) -> None:
    result = nself("run", "--files-only", "--verbose")
    assert (result.code, "maintenance" in result.err + result.out) == (0, False)


# --- prod ---


def notes(nself: Nself, *arguments: str) -> list[str]:
    """What `run` says of maintenance."""
    messages = json.loads(nself("run", "--files-only", "--json", *arguments).out)["messages"]
    return [m["text"] for m in messages if "not in maintenance" in m["text"]]


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["run", "plan"])
def test_an_upgrade_in_prod_that_visitors_see_says_so(nself: Nself, more: tuple[str, ...]) -> None:
    [said] = notes(nself, "--env", "prod", *more)
    assert said.startswith("the site is not in maintenance: `nself maintenance enable`")


def test_an_upgrade_in_prod_in_maintenance_says_nothing_of_it(nself: Nself) -> None:
    assert nself("maintenance", "enable").code == 0
    assert notes(nself, "--env", "prod") == []


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_elsewhere_the_site_is_not_asked(nself: Nself, stack: Stack, environment: str) -> None:
    log = stack.tree.root / "logs/access.log"
    before = log.read_text()
    assert notes(nself, "--env", environment) == []
    assert log.read_text() == before


def test_an_offline_plan_asks_no_site(nself: Nself, stack: Stack) -> None:
    log = stack.tree.root / "logs/access.log"
    before = log.read_text()
    assert notes(nself, "--env", "prod", "--dry-run", "--offline") == []
    assert log.read_text() == before


def test_a_run_in_prod_with_nothing_to_do_says_nothing_of_it(nself: Nself) -> None:
    nself("run", "--files-only")
    assert notes(nself, "--env", "prod") == []


# --- kills ---


@pytest.mark.parametrize("heals", ["enable", "disable"])
def test_killed_between_the_file_and_nginx_either_command_heals_it(
    nself: Nself, stack: Stack, heals: str
) -> None:
    before = tree(stack.project)
    os.mkfifo(stack.barrier)
    process = nself.start("maintenance", "enable")
    assert within(20, lambda: any(call.endswith("nginx -t") for call in stack.calls))
    process.send_signal(signal.SIGKILL)
    process.wait()
    with stack.barrier.open("wb"):
        pass
    stack.barrier.unlink()
    assert (stack.project / SNIPPET).exists()
    assert "nginx has not read it" in nself("maintenance", "status").out
    assert nself("maintenance", heals).code == 0
    assert stack.ask("localhost", "/health").status == (503 if heals == "enable" else 200)
    assert nself("maintenance", "disable").code == 0
    assert tree(stack.project) == before


# --- git ---


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", project, "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_nothing_of_maintenance_is_staged_for_git(nself: Nself, stack: Stack) -> None:
    git(stack.project, "init", "-q")
    git(stack.project, "add", "-A")
    staged = git(stack.project, "ls-files")
    assert nself("maintenance", "enable").code == 0
    git(stack.project, "add", "-A")
    assert git(stack.project, "ls-files") == staged
    git(stack.project, "clean", "-fdq")
    assert (stack.project / SNIPPET).exists()


def test_a_gitignore_of_ones_own_is_left_alone(nself: Nself, stack: Stack) -> None:
    (stack.project / IGNORE).write_text("*.pem\n")
    before = tree(stack.project)
    assert nself("maintenance", "enable").code == 0
    assert set(tree(stack.project)) - set(before) == {SNIPPET}
    assert nself("maintenance", "disable").code == 0
    assert tree(stack.project) == before
