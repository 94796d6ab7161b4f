"""A run that is killed by SIGKILL at any moment is finished by a plain second run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bookkeeping import VERSIONS
from onlooker import WAITS_FOR_LOCK, Onlooker, died_by_sigkill
from servers_for_tests import Nself, Project
from wire import Wire

FIVE = range(1, 6)
CONCURRENTLY = 4
"""The migration that cannot run in one transaction."""
ROW = "INSERT INTO public._nself_migrations"
FINISH = "UPDATE public._nself_migrations SET state = 'applied'"
PROGRESS = "_nself_migration_progress AS p"
BUILD = "CREATE INDEX CONCURRENTLY"

pytestmark = pytest.mark.usefixtures("five")

Command = Callable[..., subprocess.Popen[str]]


@pytest.fixture(params=["journal kept", "journal deleted"], ids=lambda p: p.replace(" ", "-"))
def start(request: pytest.FixtureRequest, nself: Nself, journals: Path) -> Command:
    """Start the command, with the journals of all earlier commands or without any."""

    def begin(*arguments: str, url: str | None = None) -> subprocess.Popen[str]:
        if request.param == "journal deleted":
            for path in journals.glob("journal-*"):
                path.unlink()
        return nself.start(*arguments, environment={"DATABASE_URL": url} if url else None)

    return begin


@pytest.fixture
def finished_by_a_second_run(
    start: Command, left_now: Callable[[], Any], undisturbed: Any
) -> Callable[..., None]:
    """A plain second run ends with 0 and with what an undisturbed run leaves."""

    def check(*arguments: str) -> None:
        second = start("run", *arguments)
        out, err = second.communicate(timeout=60)
        assert second.returncode == 0, out + err
        assert left_now() == undisturbed

    return check


def version_of(number: int) -> str:
    return VERSIONS[number - 1]


@pytest.mark.parametrize("number", FIVE)
def test_a_run_killed_before_a_migration_is_finished_by_the_next(
    number: int,
    start: Command,
    wire: Wire,
    onlooker: Onlooker,
    finished_by_a_second_run: Callable[..., None],
) -> None:
    at_its_beginning = wire.before(f"version::numeric = {version_of(number)}")
    run = start("run", "--skip-backup", url=wire.url)
    at_its_beginning.wait()
    assert onlooker.backend(run)
    assert died_by_sigkill(run)
    assert at_its_beginning.holds
    at_its_beginning.cut()
    assert onlooker.history() == [(v, "applied") for v in VERSIONS[: number - 1]]
    finished_by_a_second_run("--skip-backup")


@pytest.mark.parametrize("number", FIVE)
def test_a_run_killed_during_a_migration_is_finished_by_the_next(
    number: int, start: Command, onlooker: Onlooker, finished_by_a_second_run: Callable[..., None]
) -> None:
    with onlooker.locked(f"legacy_{number}"):
        run = start("run", "--skip-backup")
        onlooker.until(run, f"{WAITS_FOR_LOCK} AND query LIKE '%legacy_{number}%'")
        assert died_by_sigkill(run)
        partial = [(VERSIONS[number - 1], "partial")] if number == CONCURRENTLY else []
        assert onlooker.history() == [(v, "applied") for v in VERSIONS[: number - 1]] + partial
    finished_by_a_second_run("--skip-backup")


def test_an_index_build_that_died_with_its_run_is_built_again_by_the_next(
    start: Command, onlooker: Onlooker, finished_by_a_second_run: Callable[..., None]
) -> None:
    with onlooker.locked("legacy_4"):
        run = start("run", "--skip-backup")
        backend = onlooker.until(run, f"{WAITS_FOR_LOCK} AND query LIKE '{BUILD}%'")
        assert died_by_sigkill(run)
        onlooker.until_gone(backend)
        assert onlooker.rows(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'legacy_4_body'::regclass"
        ) == [(False,)]
    finished_by_a_second_run("--skip-backup")


@pytest.mark.parametrize("number", FIVE)
def test_a_run_killed_right_after_a_migration_is_finished_by_the_next(
    number: int,
    start: Command,
    wire: Wire,
    onlooker: Onlooker,
    finished_by_a_second_run: Callable[..., None],
) -> None:
    written = FINISH if number == CONCURRENTLY else f"TABLE legacy_{number}"
    committed = wire.after("COMMIT", since=written)
    run = start("run", "--skip-backup", url=wire.url)
    committed.wait()
    assert onlooker.backend(run, "query = 'COMMIT' AND state = 'idle'")
    assert died_by_sigkill(run)
    assert committed.holds
    committed.cut()
    assert onlooker.history() == [(v, "applied") for v in VERSIONS[:number]]
    finished_by_a_second_run("--skip-backup")


@pytest.mark.parametrize(
    ("ask", "text", "since"),
    [
        pytest.param("before", PROGRESS, BUILD, id="index-built-but-not-recorded"),
        pytest.param("after", BUILD, "", id="index-built-but-the-command-was-not-told"),
        pytest.param("before", BUILD, "", id="index-announced-but-not-begun"),
        pytest.param("after", PROGRESS, BUILD, id="index-recorded"),
        pytest.param(
            "before", "COMMIT", "index begins", id="statement-before-the-index-not-committed"
        ),
        pytest.param("after", "COMMIT", "index begins", id="statement-before-the-index-committed"),
        pytest.param("before", "COMMIT", "index is", id="statement-after-the-index-not-committed"),
        pytest.param("after", "COMMIT", "index is", id="statement-after-the-index-committed"),
        pytest.param("before", FINISH, "", id="all-statements-done-but-the-row-is-partial"),
    ],
)
def test_a_run_killed_between_statements_outside_a_transaction_is_finished_by_the_next(
    ask: str,
    text: str,
    since: str,
    start: Command,
    wire: Wire,
    onlooker: Onlooker,
    finished_by_a_second_run: Callable[..., None],
) -> None:
    stop = getattr(wire, ask)(text, since=since)
    run = start("run", "--skip-backup", url=wire.url)
    stop.wait()
    assert onlooker.backend(run)
    assert died_by_sigkill(run)
    assert stop.holds
    stop.cut()
    assert onlooker.history()[-1] == (version_of(CONCURRENTLY), "partial")
    finished_by_a_second_run("--skip-backup")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("CREATE TABLE public._nself_migrations", id="history-table-not-created"),
        pytest.param("INSERT INTO public._nself_migration_meta", id="history-without-its-label"),
    ],
)
def test_a_run_killed_while_it_makes_the_history_table_is_finished_by_the_next(
    text: str,
    start: Command,
    wire: Wire,
    onlooker: Onlooker,
    finished_by_a_second_run: Callable[..., None],
) -> None:
    stop = wire.before(text)
    run = start("run", "--skip-backup", url=wire.url)
    stop.wait()
    assert onlooker.backend(run)
    assert died_by_sigkill(run)
    stop.cut()
    assert onlooker.history() == []
    finished_by_a_second_run("--skip-backup")


@pytest.mark.usefixtures("nobody_else_writes")
def test_a_run_killed_after_its_backup_is_finished_by_the_next_under_the_same_backup(
    start: Command,
    wire: Wire,
    project: Project,
    finished_by_a_second_run: Callable[..., None],
) -> None:
    committed = wire.after("COMMIT", since="TABLE legacy_3")
    run = start("run", url=wire.url)
    committed.wait()
    assert died_by_sigkill(run)
    committed.cut()
    taken = backups(project)
    finished_by_a_second_run()
    assert len(taken) == 1
    assert backups(project) == taken


def test_a_run_killed_during_its_backup_leaves_no_backup_and_is_finished_by_the_next(
    start: Command,
    onlooker: Onlooker,
    project: Project,
    finished_by_a_second_run: Callable[..., None],
) -> None:
    with onlooker.locked("legacy_1", "ACCESS EXCLUSIVE"):
        run = start("run")
        onlooker.until_any(f"{WAITS_FOR_LOCK} AND application_name = 'nself-migrate backup'")
        assert died_by_sigkill(run)
        assert backups(project) == []
        assert onlooker.history() == []
    finished_by_a_second_run()
    assert len(backups(project)) == 1


def backups(project: Project) -> list[str]:
    """The backups that are complete."""
    found = (project.root / ".nself" / "backup").glob("[0-9]*")
    return [path.name for path in found if (path / "manifest.json").is_file()]
