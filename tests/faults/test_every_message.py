"""A connection cut at any protocol message of a command, before the question or its answer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from matrix import LOOK, MIGRATIONS, ROWS
from onlooker import Onlooker
from servers_for_tests import Nself, Project, Result, ScratchServer, new_project
from wire import between

from nself_tasks.database.servers.sockets import with_database

History = list[tuple[str, str]]

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@dataclass(frozen=True)
class Command:
    """What is run and cut, on a database that has none of the migrations, or all of them."""

    arguments: tuple[str, ...]
    on: str
    every: int = 1
    """A restore asks so much that only each third message has its turn."""


COMMANDS = {
    "run": Command(("run", "--skip-backup"), "empty"),
    "run --atomic": Command(("run", "--skip-backup", "--atomic"), "empty"),
    "rollback": Command(("rollback", "--skip-backup", "--to", "0"), "full"),
    # The way through the proxy is another server than the one that the backup names.
    "backups restore": Command(
        ("backups", "restore", "ID", "--database", "--replace", "NAME", "--yes"), "full", 3
    ),
}


@dataclass(frozen=True)
class Cut:
    """What came of a command whose connection was cut at one message."""

    question: str
    first: Result
    seen: Seen
    second: Result
    after_second: Seen


@dataclass(frozen=True)
class Seen:
    """What is in the database; for a restore also whether the one before it is kept."""

    history: History
    rows: str | None
    begun: bool
    """Whether a statement of a migration that is not finished has run, or has begun to."""
    kept: bool

    @property
    def in_force(self) -> History:
        return [(version, state) for version, state in self.history if state != "rolled_back"]


class Place:
    """A project and a database of one thread, as they are when a command begins."""

    def __init__(self, server: ScratchServer, root: Path, name: str, command: Command) -> None:
        self.server, self.name, self.command = server, name, command
        self.root = Path(shutil.copytree(root, root.with_name(name)))
        if "--atomic" in command.arguments:
            for path in self.root.glob("backend/migrations/2_*"):
                path.unlink()
        self.template = f"{name}_template"
        self.sql(f"CREATE DATABASE {name}")
        with psycopg.connect(self.url) as connection:
            connection.execute(ROWS)
        self.backup = ""
        if command.on == "full":
            self.backup = self.run(self.url, "run", "--json").json()["backup"]
        self.sql(f"ALTER DATABASE {name} RENAME TO {self.template}")

    @property
    def url(self) -> str:
        return with_database(self.server.url, self.name)

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def clear(self) -> None:
        for name in self.others():
            self.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        self.sql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def others(self) -> list[str]:
        """The databases that restores have made beside the one that is meant."""
        rows = Onlooker(self.server.url).rows(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", rf"{self.name}\_%restore%"
        )
        return [name for (name,) in rows]

    def fresh(self) -> str:
        """A database as before the first run; gives its URL."""
        self.clear()
        self.sql(f"CREATE DATABASE {self.name} TEMPLATE {self.template}")
        return self.url

    def run(self, url: str, *arguments: str) -> Result:
        return Nself(self.root, {"DATABASE_URL": url})(*arguments)

    @property
    def arguments(self) -> tuple[str, ...]:
        meant = {"ID": self.backup, "NAME": self.name}
        return (*(meant.get(word, word) for word in self.command.arguments), "--json")

    def seen(self) -> Seen:
        onlooker = Onlooker(self.url)
        history = onlooker.history()
        kept = any("_before_" in name for name in self.others())
        return Seen(history, onlooker.rows(LOOK)[0][0], onlooker.begun(), kept)

    def undisturbed(self) -> tuple[Seen, Seen, int]:
        """What there is before, what the command makes of it, and how many questions it asks."""
        url = self.fresh()
        before = self.seen()
        with between(url) as wire:
            result = self.run(wire.url, *self.arguments)
            assert result.code == 0, result.err
            asked = len(wire.heard)
        return before, self.seen(), asked

    def cut(self, number: int, *, answer: bool) -> Cut | None:
        """Cut at one message; None where the command came to its end without it."""
        url = self.fresh()
        with between(url) as wire:
            stop = wire.at(number, answer=answer)
            process = Nself(self.root, {"DATABASE_URL": wire.url}).start(*self.arguments)
            while not stop.is_reached and process.poll() is None:
                time.sleep(0.005)
            stop.cut()
            out, err = process.communicate(timeout=60)
            if not stop.is_reached:
                return None
            question = wire.heard[number - 1]
        first, seen = Result(process.returncode, out, err), self.seen()
        second = self.run(url, *self.arguments)
        return Cut(question, first, seen, second, self.seen())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    found = new_project(tmp_path_factory.mktemp("every") / "message")
    for name, (up, down) in MIGRATIONS.items():
        version, _, title = name.partition("_")
        found.migration(version, title, up, down)
    return found


@pytest.fixture(params=COMMANDS)
def places(
    request: pytest.FixtureRequest, project: Project, server: ScratchServer
) -> Iterator[list[Place]]:
    command, names = COMMANDS[request.param], ("message_0", "message_1")
    found = [Place(server, project.root, name, command) for name in names]
    yield found
    for place in found:
        place.clear()
        place.sql(f"DROP DATABASE {place.template}")
        shutil.rmtree(place.root)


@pytest.mark.parametrize("answer", [False, True], ids=["question-lost", "answer-lost"])
def test_a_command_cut_at_any_message_says_what_is_so_and_is_finished_by_the_next(
    answer: bool, places: list[Place]
) -> None:
    before, whole, asked = places[0].undisturbed()
    assert asked > 25

    every = places[0].command.every
    numbers = range(1 + (answer and every // 2), asked + 1, every)

    def half(worker: int) -> list[Cut | None]:
        return [places[worker].cut(number, answer=answer) for number in numbers[worker::2]]

    with ThreadPoolExecutor(2) as pool:
        cuts = [cut for part in pool.map(half, range(2)) for cut in part]
    found = [cut for cut in cuts if cut is not None]
    # While a restore waits for the server it asks again and again, now more often, now less.
    assert len(found) >= len(numbers) - (2 if places[0].command.every > 1 else 0)
    for cut in found:
        context = (cut.question, cut.seen, cut.first.out, cut.first.err)
        assert "Traceback" not in cut.first.out + cut.first.err, context
        assert cut.first.code in (0, 1), context
        if cut.first.code == 0:
            assert (cut.seen.in_force, cut.seen.rows) == (whole.in_force, whole.rows), context
        elif places[0].command.arguments[0] == "backups":
            check_restored(cut, cut.first.json(), before, whole, context)
        else:
            check_true(cut, cut.first.json(), before, context)
        assert cut.second.code == 0, (cut.question, cut.first.err, cut.second.err)
        after = cut.after_second
        assert (after.in_force, after.rows) == (whole.in_force, whole.rows), context


def check_true(cut: Cut, told: Any, before: Seen, context: object) -> None:
    """What a run or a rollback says agrees with what is in the database."""
    state = told["error"]["database"]
    assert state != "unknown", context
    assert (state == "partial") == cut.seen.begun, context
    if state == "unchanged":
        assert cut.seen.rows == before.rows, context
    key, done = ("applied",) * 2 if told["command"] == "run" else ("reverted", "rolled_back")
    # The last to be applied is the first to be undone.
    if key in told:
        found = sorted(version for version, its in cut.seen.history if its == done)
        assert sorted(told[key]) == found, context


def check_restored(cut: Cut, told: Any, before: Seen, whole: Seen, context: object) -> None:
    """What a restore says agrees with the names and the contents of the databases."""
    restored = told.get("database") == "restored"
    assert restored == cut.seen.kept, context
    assert cut.seen.rows == (whole if restored else before).rows, context
