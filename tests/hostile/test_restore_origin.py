"""A dump is SQL: whose it is, is asked before it runs, unless the backup names this very server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from observation import violations
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, ScratchServer
from terminal_for_tests import at_a_terminal

RUNS = """\
CREATE FUNCTION sound() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN COPY (SELECT 1) TO PROGRAM 'cat > {trace}'; RETURN true; END $$
"""
ELSEWHERE = ("whatever", "7000000000000000000-16384", "unknown-16384", "-16384", "16384")


@pytest.fixture
def trace() -> Iterator[Path]:
    """What a program on the server's machine leaves; it runs as whoever the server runs as."""
    with tempfile.TemporaryDirectory(prefix="nself-trace-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder / "left"


@pytest.fixture
def shop(
    project: Project, nself: Nself, database: str, server: ScratchServer, trace: Path
) -> Iterator[BackedUp]:
    """A backup whose dump runs a program of the server's machine when it is restored."""
    with backed_up(project, nself, database, server) as found:
        found.execute(
            RUNS.format(trace=trace),
            "CREATE TABLE checked (x int CHECK (sound()))",
            "INSERT INTO checked VALUES (1)",
        )
        project.migration("2", "b", "SELECT 2;")
        done = nself("run", "--json")
        assert done.code == 0, done.err
        trace.unlink()
        yield BackedUp(project, nself, database, server.url, done.json()["backup"])


@pytest.mark.parametrize("flag", ["--into", "--replace"])
@pytest.mark.parametrize("identity", ELSEWHERE)
def test_a_dump_from_elsewhere_is_not_run_before_somebody_says_so(
    shop: BackedUp, trace: Path, identity: str, flag: str
) -> None:
    shop.manifest(identity=identity)
    name = f"{shop.name}_2" if flag == "--into" else shop.name
    refused = shop.restore(flag, name, "--json")
    error = refused.json()["error"]
    assert (refused.code, error["code"], error["database"]) == (2, "usage", "unchanged")
    assert "nothing ties the backup" in error["message"]
    assert "a superuser, who may start programs on the server's machine" in error["message"]
    assert (trace.exists(), shop.databases()) == (False, [shop.name])
    if identity == ELSEWHERE[0]:
        allowed = shop.restore(flag, name, "--yes")
        assert allowed.code == 0, allowed.err
        assert trace.exists()


@pytest.mark.parametrize("flags", [(), ("--into",)], ids=["in-its-place", "into"])
def test_a_dump_that_is_restored_runs_with_the_rights_of_the_urls_user(
    shop: BackedUp, trace: Path, flags: tuple[str, ...]
) -> None:
    name = (f"{shop.name}_2",) if flags else ()
    assert shop.nself("backups", "verify", shop.id).code == 0
    assert not trace.exists()
    assert shop.restore(*flags, *name).code == 0
    assert trace.exists()


@pytest.mark.parametrize("right", [True, False])
def test_a_person_at_a_terminal_types_the_backups_id(
    shop: BackedUp, trace: Path, right: bool
) -> None:
    shop.manifest(identity="whatever")
    command = ("backups", "restore", shop.id, "--into", f"{shop.name}_2")
    code, screen = at_a_terminal(
        shop.project.root, shop.url, shop.id if right else "yes", *command, until=b"to go on: "
    )
    assert (code, trace.exists()) == ((0, True) if right else (2, False)), screen
    assert "nothing ties the backup" in screen


def test_the_plan_says_that_it_will_ask(shop: BackedUp, trace: Path) -> None:
    shop.manifest(identity="whatever")
    plan = shop.restore("--into", f"{shop.name}_2", "--dry-run", "--json")
    assert (plan.code, violations(plan.json(), "plan"), trace.exists()) == (0, [], False)
    said = [message["text"] for message in plan.json()["messages"]]
    assert any("nothing ties the backup" in text and "`--yes`" in text for text in said)
    quiet = shop.restore("--database", "--dry-run", "--json")
    assert quiet.code == 1
