"""`run --dry-run` and `rollback --dry-run`: the listing is true, and nothing at all changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import servers_for_tests as servers
from observation import catalog, folder_tree, violations
from servers_for_tests import Nself, Project

from nself_tasks.database.lock import KEY
from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.embedded import is_initialised, is_running, open_embedded

Looked = tuple[dict[str, Any], tuple[Any, ...]]
STATUSES = {"run", "check", "up-to-date", "blocked"}
PLANS = [
    ("run", "--dry-run"),
    ("run", "--dry-run", "--sql", "--json"),
    ("run", "--dry-run", "--atomic"),
    ("run", "--dry-run", "--offline"),
    ("rollback", "--dry-run", "--to", "0"),
    ("graph",),
    ("graph", "--check", "--json"),
]


@pytest.fixture
def three(project: Project) -> Project:
    """A project with three migrations."""
    for number, name in enumerate("abc", 1):
        project.migration(str(number), name, f"CREATE TABLE {name} (i int);", f"DROP TABLE {name};")
    return project


@pytest.fixture
def look(project: Project, database: str, tools: Installation) -> Callable[[], Looked]:
    return lambda: (folder_tree(project.root), catalog(database, tools))


@pytest.mark.parametrize("applied", [0, 2])
def test_no_plan_changes_anything(
    three: Project, nself: Nself, look: Callable[[], Looked], applied: int
) -> None:
    if applied:
        assert nself("run", "--to", str(applied), "--skip-backup").code == 0
    for command in PLANS:
        before = look()
        assert nself(*command).code == 0, command
        assert look() == before, command


def test_a_blocked_plan_changes_nothing_and_ends_with_1(
    three: Project, nself: Nself, look: Callable[[], Looked]
) -> None:
    assert nself("run", "--to", "2", "--skip-backup").code == 0
    three.migration("1", "a", "CREATE TABLE another (i int);")
    before = look()
    result = nself("run", "--dry-run", "--json")
    assert look() == before
    assert result.code == 1
    assert violations(result.json(), "plan") == []
    statuses = {step["id"]: step["status"] for step in result.json()["steps"]}
    # What only runs for a blocked step is not listed as if it would run.
    assert statuses == dict.fromkeys(statuses, "blocked")
    assert result.json()["error"]["code"] == "history"


def test_a_plan_does_not_wait_for_the_lock(three: Project, nself: Nself, database: str) -> None:
    with psycopg.connect(database) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [KEY])
        assert nself("run", "--dry-run").code == 0


def test_every_step_says_what_why_and_after_what(three: Project, nself: Nself) -> None:
    document = nself("run", "--dry-run", "--json").json()
    assert violations(document, "plan") == []
    steps = {step["id"]: step for step in document["steps"]}
    assert list(steps) == [
        "migrate:history",
        "migrate:preflight",
        "migrate:lock",
        "migrate:backup:database",
        "migrate:create-history",
        "migrate:apply:1",
        "migrate:apply:2",
        "migrate:apply:3",
        "migrate:record",
    ]
    assert all(step["status"] in STATUSES and step["reasons"] for step in steps.values())
    assert steps["migrate:apply:1"]["after"] == ["migrate:history"]
    assert steps["migrate:apply:3"]["after"] == ["migrate:apply:2"]
    assert document["summary"]["pending"] == 3


def test_the_listing_for_people_says_the_same(three: Project, nself: Nself) -> None:
    listing = nself("run", "--dry-run").out
    assert "run         migrate:apply:2" in listing
    assert "why:   is not in the history" in listing
    assert "after: migrate:apply:1" in listing
    assert "3 pending; nothing was changed" in listing


def test_an_up_to_date_step_gives_the_reason_for_that(three: Project, nself: Nself) -> None:
    assert nself("run", "--to", "1", "--skip-backup").code == 0
    steps = {step["id"]: step for step in nself("run", "--dry-run", "--json").json()["steps"]}
    assert steps["migrate:create-history"]["status"] == "up-to-date"
    assert steps["migrate:create-history"]["reasons"] == ["the database has its history table"]


@pytest.mark.parametrize(
    ("command", "statement"),
    [("run", "CREATE TABLE c (i int)"), ("rollback", "DROP TABLE b")],
)
def test_sql_adds_the_statements(
    three: Project, nself: Nself, command: str, statement: str
) -> None:
    assert nself("run", "--to", "2", "--skip-backup").code == 0
    document = nself(command, "--dry-run", "--sql", "--json").json()
    assert violations(document, "plan") == []
    assert [step["sql"] for step in document["steps"] if "sql" in step] == [[statement]]
    assert f"| {statement};" in nself(command, "--dry-run", "--sql").out


def test_offline_counts_every_migration_as_pending_without_a_database(
    three: Project, nself_offline: Nself
) -> None:
    result = nself_offline("run", "--dry-run", "--offline", "--json")
    assert result.code == 0
    assert violations(result.json(), "plan") == []
    assert result.json()["summary"]["pending"] == 3


def test_offline_asks_no_database_that_is_there(three: Project, nself: Nself) -> None:
    assert nself("run", "--skip-backup").code == 0
    assert nself("run", "--dry-run", "--offline", "--json").json()["summary"]["pending"] == 3


@pytest.mark.parametrize("command", ["run", "rollback"])
def test_without_a_reachable_database_a_plan_ends_with_1(
    three: Project, nself_offline: Nself, command: str
) -> None:
    address = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    for environment in ({}, address):
        result = nself_offline(command, "--dry-run", "--json", environment=environment)
        assert result.code == 1
        assert result.json()["error"]["code"] == "connection"
        assert violations(result.json(), "error") == []


# --- plan and run agree ---

HISTORIES: dict[str, tuple[tuple[str, ...], ...]] = {
    "nothing yet": (),
    "one applied": (("run", "--to", "1"),),
    "all applied": (("run",),),
    "one rolled back": (("run",), ("rollback",)),
    "all rolled back": (("run",), ("rollback", "--to", "0")),
    "two runs": (("run", "--to", "1"), ("run", "--to", "2")),
}
COMMANDS = [
    ("run",),
    ("run", "--atomic"),
    ("run", "--to", "2"),
    ("run", "--skip-backup"),
    ("rollback", "--steps", "2"),
    ("rollback", "--to", "0"),
]


@pytest.mark.parametrize("history", HISTORIES)
def test_what_a_plan_lists_is_what_then_runs_in_that_order(
    three: Project, nself: Nself, history: str
) -> None:
    for command in HISTORIES[history]:
        assert nself(*command, "--skip-backup").code == 0
    number = list(HISTORIES).index(history)
    # each history with another half of the commands, so that each command meets three of them
    for command in COMMANDS[number % 2 :: 2]:
        planned = nself(*command, "--dry-run", "--json").json()
        done = nself(*command, "--json").json()
        assert violations(planned, "plan") == []
        assert violations(done, "run") == []
        words = {"run": "done", "check": "checked", "up-to-date": "up-to-date"}
        assert [(s["id"], s["status"]) for s in done["steps"]] == [
            (s["id"], words[s["status"]]) for s in planned["steps"]
        ]
        assert len(done["applied"]) == planned["summary"]["pending"]
        assert len(done["reverted"]) == planned["summary"]["to_revert"]


def test_after_a_failed_run_the_plan_starts_at_what_failed(three: Project, nself: Nself) -> None:
    three.migration("2", "b", "CREATE TABLE b (i nonsense);")
    failed = nself("run", "--skip-backup", "--json")
    assert failed.code == 1
    assert violations(failed.json(), "run") == []
    planned = nself("run", "--dry-run", "--json").json()
    applies = [step["id"] for step in planned["steps"] if step["stage"] == "apply"]
    assert applies == ["migrate:apply:2", "migrate:apply:3"]


# --- the embedded server ---


@pytest.fixture
def programs() -> Installation:
    """The programs of the wheel: the embedded server has no others."""
    if found := servers.installation("embedded"):
        return found
    pytest.skip("no embedded Postgres (pip install 'nself-migrate[embedded]')")


@pytest.fixture
def embedded(three: Project, programs: Installation) -> Iterator[Nself]:
    """The command with the embedded server as its target."""
    command = Nself(three.root, {"DATABASE_URL": "embedded"})
    yield command
    command.close()


def test_a_plan_initialises_no_embedded_server(three: Project, embedded: Nself) -> None:
    before = folder_tree(three.root)
    result = embedded("run", "--dry-run", "--json")
    assert result.code == 0, result.err
    assert result.json()["summary"]["pending"] == 3
    assert folder_tree(three.root) == before
    assert not is_initialised(three.root)


def test_a_stopped_embedded_server_is_planned_on_a_copy(three: Project, embedded: Nself) -> None:
    assert embedded("run", "--to", "2", "--skip-backup").code == 0
    before = folder_tree(three.root)
    result = embedded("run", "--dry-run", "--json")
    assert result.code == 0, result.err
    assert result.json()["summary"]["pending"] == 1
    assert folder_tree(three.root) == before
    assert not is_running(three.root)


def test_a_running_embedded_server_is_asked_and_goes_on(
    three: Project, embedded: Nself, programs: Installation
) -> None:
    with open_embedded(three.root, installation=programs) as url:
        assert embedded("run", "--to", "1", "--skip-backup").code == 0
        before = catalog(url, programs)
        result = embedded("run", "--dry-run", "--json")
        assert result.json()["summary"]["pending"] == 2
        assert catalog(url, programs) == before
        assert is_running(three.root)
