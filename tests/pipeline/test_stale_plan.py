"""Who waited for the lock plans again: history or files may be others by then."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from servers_for_tests import Nself, Project

from nself_tasks.database.lock import KEY

AGAIN = "the plan was made again"


def run_while_locked(
    nself: Nself, database: str, meanwhile: Callable[[], object]
) -> tuple[int, str]:
    """Start a run that has to wait for the lock, do something meanwhile, let it go on."""
    with psycopg.connect(database, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [KEY])
        waiting = nself.start("run", "--skip-backup")
        assert waiting.stderr is not None
        # the first line that it says is that it waits
        said = waiting.stderr.readline()
        assert "waiting" in said
        meanwhile()
    _, err = waiting.communicate(timeout=30)
    return waiting.returncode, err


@pytest.fixture
def one(project: Project) -> Project:
    project.migration("1", "a", "CREATE TABLE a (i int);")
    return project


def applied(database: str) -> list[tuple[str, ...]]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT version FROM public._nself_migrations ORDER BY id")
        return rows.fetchall()


def test_a_file_that_came_while_waiting_is_applied_too(
    one: Project, nself: Nself, database: str
) -> None:
    code, err = run_while_locked(
        nself, database, lambda: one.migration("2", "b", "CREATE TABLE b (i int);")
    )
    assert code == 0, err
    assert err.count(AGAIN) == 1
    assert applied(database) == [("1",), ("2",)]


def test_a_file_that_went_while_waiting_is_not_applied(
    one: Project, nself: Nself, database: str
) -> None:
    extra = one.migration("2", "b", "CREATE TABLE b (i int);")
    code, err = run_while_locked(nself, database, extra.unlink)
    assert code == 0, err
    assert AGAIN in err
    assert applied(database) == [("1",)]


def test_without_a_change_the_plan_stays(one: Project, nself: Nself, database: str) -> None:
    code, err = run_while_locked(nself, database, lambda: None)
    assert code == 0, err
    assert AGAIN not in err
    assert applied(database) == [("1",)]


def test_a_file_that_is_broken_by_then_stops_the_run(
    one: Project, nself: Nself, database: str
) -> None:
    code, err = run_while_locked(
        nself, database, lambda: one.migration("1", "a", "SELECT 'unclosed;")
    )
    assert code == 1
    assert "1_a.sql" in err
