"""200 runs on one database, killed at random moments, between random edits of the files.

Some migrations fail, and are mended: by a statement that runs outside a transaction or in one. A
second database, the replay, gets with psycopg what the history of the first one says: catalog
and rows of both are compared after every run.
"""

from __future__ import annotations

import os
import random
import re
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg
import pytest
from held_steps import Ended, hold
from onlooker import Onlooker
from servers_for_tests import Nself, Project, ScratchServer, new_project, within
from wire import between

from nself_tasks.migrations.directory import collect
from nself_tasks.migrations.script import parse, statement_hash
from nself_tasks.model import Script

RUNS = 200
SEED = int(os.environ.get("NSELF_TEST_SEED") or secrets.randbits(32))
STAGES = ("lock", "backup", "create-history", "apply", "revert", "record")
LOOK = """\
SELECT pg_catalog.string_agg(what, E'\\n' ORDER BY what) FROM (
  SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || atttypid::regtype
      || ' ' || attnotnull || coalesce(pg_get_expr(adbin, adrelid), '') AS what
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped
    AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
  UNION ALL SELECT 'index ' || pg_get_indexdef(indexrelid) || ' ' || indisvalid
    FROM pg_index JOIN pg_class AS c ON c.oid = indrelid
    WHERE c.relnamespace = 'public'::regnamespace
  UNION ALL SELECT 'constraint ' || conrelid::regclass || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT 'function ' || pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT 'ledger ' || entry || ' ' || count(*) FROM ledger GROUP BY entry
) AS seen WHERE what NOT LIKE '%\\_nself%'
"""
MADE = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    " AND relname LIKE 'made%' ORDER BY relname"
)


def look(connection: psycopg.Connection[Any]) -> str:
    """The schema, the ledger and the rows of every table that a migration made."""
    found = connection.execute(LOOK).fetchone()
    assert found
    seen = [str(found[0])]
    for (table,) in connection.execute(MADE).fetchall():
        rows = f"SELECT md5(string_agg(r::text, ' ' ORDER BY r)) FROM {table} AS r"
        seen.append(f"rows {table} {connection.execute(rows).fetchone()}")  # type: ignore[arg-type]
    return "\n".join(seen)


def look_at(url: str) -> str:
    """The same, over a connection of its own."""
    with psycopg.connect(url) as connection:
        return look(connection)


def migration(chance: random.Random, number: int) -> tuple[str, str]:
    """Up and down of a random migration; a ledger without a key shows what ran twice."""
    entry = f"INSERT INTO ledger VALUES ('{number} {chance.randrange(1000)}');\n"
    gone = f"DELETE FROM ledger WHERE entry LIKE '{number} %';\n"
    table = f"made_{number}"
    rows = f"INSERT INTO {table} SELECT i FROM generate_series(1, 20) AS i;\n"
    kinds = {
        "table": (
            f"CREATE TABLE {table} (id int PRIMARY KEY, x text DEFAULT 'a;b');\n{rows}{entry}",
            f"DROP TABLE {table};\n{gone}",
        ),
        "index": (
            f"{entry}CREATE INDEX CONCURRENTLY {table}_i ON ledger (entry);\n{entry}",
            f"DROP INDEX CONCURRENTLY {table}_i;\n{gone}",
        ),
        "function": (
            f"CREATE FUNCTION {table}() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;\n{entry}",
            f"{gone}DROP FUNCTION {table}();\n",
        ),
        "column": (
            f"ALTER TABLE ledger ADD COLUMN {table} int DEFAULT {number};\n{entry}",
            f"ALTER TABLE ledger DROP COLUMN {table};\n{gone}",
        ),
    }
    return kinds[chance.choice(sorted(kinds))]


def broken(number: int, *, outside: bool) -> tuple[str, str]:
    """Up and down of a migration that fails at its last but one statement."""
    entry = f"INSERT INTO ledger VALUES ('{number} broken');\n"
    if outside:
        fails = f"CREATE INDEX CONCURRENTLY made_{number}_i ON ledger (nope);\n"
    else:
        fails = "SELECT 1 / 0;\n"
    return f"{entry}{fails}{entry}", f"DELETE FROM ledger WHERE entry LIKE '{number} %';\n"


@dataclass
class World:
    """The project, its database, and the replay."""

    project: Project
    url: str
    replay: str
    chance: random.Random
    folder: Path
    kills: Counter[str] = field(default_factory=Counter)
    replayed: dict[int, tuple[str, str]] = field(default_factory=dict)
    """What was applied in the replay: version to up and down as they were then."""
    number: int = 0
    texts: dict[int, tuple[str, str]] = field(default_factory=dict)
    """What each file says now."""
    broken: set[int] = field(default_factory=set)

    def up_file(self, number: int) -> Path:
        return self.project.migrations / f"{number}_m.sql"

    def write(self, number: int) -> None:
        self.broken.discard(number)
        self.texts[number] = migration(self.chance, number)
        # The first run is to be killed where it makes the history: it has to come so far.
        if self.chance.random() < 0.2 and self.kills["create-history"]:
            self.broken.add(number)
            self.texts[number] = broken(number, outside=self.chance.random() < 0.7)
        self.project.migration(str(number), "m", *self.texts[number])

    def rewrite_rest(self, number: int, direction: str) -> None:
        """Write what is left of a partial migration anew, in a transaction or outside of one."""
        phases = self._phases(number, direction)
        if direction == "down" or ("intent" in phases and number not in self.broken):
            # What was begun and may be done is not edited: nobody could tell any more.
            return
        how = self.chance.choice(("CONCURRENTLY ", ""))
        rest = [
            f"CREATE INDEX {how}made_{number}_i ON ledger (entry)",
            f"INSERT INTO ledger VALUES ('{number} mended')",
        ]
        done = phases.count("done")
        texts = _statements(self.texts[number][0])[:done] + rest[max(0, done - 1) :]
        gone = f"DELETE FROM ledger WHERE entry LIKE '{number} %';\n"
        self.texts[number] = (";\n".join(texts) + ";\n", f"DROP INDEX made_{number}_i;\n{gone}")
        self.broken.discard(number)
        self.project.migration(str(number), "m", *self.texts[number])

    def history(self) -> list[tuple[int, str, str]]:
        """Version, state and direction of what is in force."""
        if not Onlooker(self.url).history():
            return []
        return [
            (int(version), state, direction)
            for version, state, direction in Onlooker(self.url).rows(
                "SELECT version, state, direction FROM public._nself_migrations"
                " WHERE state <> 'rolled_back' ORDER BY version::numeric"
            )
        ]

    def edit(self) -> None:
        """Add a file or two, write a pending one anew, or the rest of a partial one."""
        rows = self.history()
        in_force = {version for version, _, _ in rows}
        for version, state, direction in rows:
            if state == "partial" and self.chance.random() < 0.6:
                self.rewrite_rest(version, direction)
        for version in self.broken - in_force:
            if self.chance.random() < 0.6:
                self.write(version)
        pending = [n for n in range(1, self.number + 1) if n not in in_force]
        if pending and self.chance.random() < 0.4:
            self.write(self.chance.choice(pending))
        if len(pending) < 3:
            for _ in range(self.chance.randrange(1, 3)):
                self.number += 1
                self.write(self.number)

    def command(self) -> tuple[str, ...]:
        """What is run next; a partial migration is finished in the direction in which it began."""
        partial = [row for row in self.history() if row[1] == "partial"]
        back = partial[0][2] == "down" if partial else self.chance.random() < 0.3
        name = "rollback" if back and self.history() else "run"
        # A broken statement that was begun has done nothing, whatever it says now.
        sure = ("--undecided", "rerun") if partial and self._fits_no_more(*partial[0]) else ()
        return (name, *sure) if self.chance.random() < 0.4 else (name, "--skip-backup", *sure)

    def _fits_no_more(self, number: int, _: str, direction: str) -> bool:
        """Whether a statement that was begun is another one in the file now."""
        begun = Onlooker(self.url).rows(
            "SELECT position, statement_hash FROM public._nself_migration_progress AS p"
            " JOIN public._nself_migrations AS m ON m.id = p.migration_id WHERE m.state = 'partial'"
            " AND m.version::numeric = %s AND p.direction = 'up' AND p.phase = 'intent'",
            number,
        )
        if not begun or direction == "down":
            return False
        statements = _script(self.texts[number][0]).statements
        position = begun[0][0]
        assert isinstance(position, int)
        return statement_hash(statements[position - 1]) != begun[0][1]

    def _phases(self, number: int, direction: str) -> list[str]:
        return [
            str(phase)
            for _, phase in Onlooker(self.url).rows(
                "SELECT position, phase FROM public._nself_migration_progress AS p"
                " JOIN public._nself_migrations AS m ON m.id = p.migration_id"
                " WHERE m.state = 'partial' AND m.version::numeric = %s AND p.direction = %s"
                " ORDER BY position",
                number,
                direction,
            )
        ]

    def disturbed(self) -> tuple[int, str]:
        """Run a command and kill it at a random moment; gives exit code and what it said."""
        if not self.history() and not self.kills["create-history"]:
            # The only chance for it: once the table is there, no run makes it again.
            return self._killed_in_a_step("create-history")
        if self.chance.random() < 0.5:
            return self._killed_in_a_step(self.chance.choice(STAGES))
        return self._killed_at_a_message()

    def _killed_in_a_step(self, stage: str) -> tuple[int, str]:
        command = self.command()
        step = re.compile(rf"migrate:{stage}\b.*")
        planned = None if self.broken and command[0] == "run" else self._planned(command, step)
        if planned is None:
            return self._undisturbed(command)
        where = (self.project.root, self.folder / "held", {"DATABASE_URL": self.url})
        try:
            held = hold(planned, *where, *command, "--verbose")
        except Ended as ended:
            # Whether others have written since the last backup is asked again when it runs.
            return ended.code, ended.said
        _, out, err = held.kill()
        self.kills[stage] += 1
        return -signal.SIGKILL, out + err

    def _planned(self, command: tuple[str, ...], step: re.Pattern[str]) -> str | None:
        done = Nself(self.project.root, {"DATABASE_URL": self.url})(*command, "--dry-run", "--json")
        steps = [s["id"] for s in done.json()["steps"] if s["status"] == "run"]
        fitting = [name for name in steps if step.fullmatch(name)]
        return self.chance.choice(fitting) if fitting else None

    def _killed_at_a_message(self) -> tuple[int, str]:
        command = self.command()
        with between(self.url) as wire:
            stop = wire.at(self.chance.randrange(1, 60), answer=self.chance.random() < 0.5)
            process = Nself(self.project.root, {"DATABASE_URL": wire.url}).start(
                *command, "--verbose"
            )
            assert within(60, lambda: stop.is_reached or process.poll() is not None)
            process.kill()
            out, err = process.communicate()
            stop.cut()
        if process.returncode == -signal.SIGKILL:
            begun = re.findall(r"^ +… +migrate:([a-z-]+)", err, re.M)
            self.kills[begun[-1] if begun else "start"] += 1
        return process.returncode, out + err

    def _undisturbed(self, command: tuple[str, ...]) -> tuple[int, str]:
        done = Nself(self.project.root, {"DATABASE_URL": self.url})(*command)
        return done.code, done.out + done.err

    def catch_up(self) -> list[str]:
        """Bring the replay to what the history says; gives what a sound database may show."""
        self._wait_for_orphans()
        rows = self.history()
        applied = {version for version, state, _ in rows if state == "applied"}
        partial = [row for row in rows if row[1] == "partial"]
        for version in sorted(set(self.replayed) - {v for v, _, _ in rows}, reverse=True):
            self._execute(self.replayed.pop(version)[1])
        for version in sorted(applied - set(self.replayed)):
            self._apply(version)
        if not partial:
            return [look_at(self.replay)]
        return self._partly(*partial[0])

    def _apply(self, version: int) -> None:
        sql = Onlooker(self.url).rows(
            "SELECT up_sql, down_sql FROM public._nself_migration_sql AS s"
            " JOIN public._nself_migrations AS m ON m.id = s.migration_id"
            " WHERE m.state = 'applied' AND m.version::numeric = %s",
            version,
        )
        assert sql[0] == self.texts[version], "another text is recorded than the file's"
        self._execute(sql[0][0])
        self.replayed[version] = self.texts[version]

    def _partly(self, version: int, _: str, direction: str) -> list[str]:
        """What a migration outside a transaction may show: its statements up to the last one that
        is recorded as done, and perhaps the one that was announced."""
        statements = _statements(self.texts[version][direction == "down"])
        phases = self._phases(version, direction)
        done, begun = phases.count("done"), "intent" in phases and version not in self.broken
        found = []
        for count in {done, done + begun}:
            found.append(self._seen_after(statements[:count]))
        return found

    def _seen_after(self, statements: list[str]) -> str:
        """What the replay shows after these statements, which are then taken back."""
        with psycopg.connect(self.replay) as connection:
            for statement in statements:
                connection.execute(statement.replace("CONCURRENTLY", ""))  # type: ignore[arg-type]
            seen = look(connection)
            connection.rollback()
        return seen

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self.replay, autocommit=True) as connection:
            for text in _statements(sql):
                connection.execute(text)  # type: ignore[arg-type]

    def _wait_for_orphans(self) -> None:
        ours = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'nself-migrate%'"
        )
        assert within(30, lambda: not Onlooker(self.url).rows(ours)), "an orphan lives on"


def _script(sql: str) -> Script:
    [found] = collect([(PurePosixPath("1_m.sql"), sql.encode())])
    return parse(found.up)


def _statements(sql: str) -> list[str]:
    return [statement.text for statement in _script(sql).statements]


@pytest.fixture
def world(server: ScratchServer, tmp_path: Path) -> Iterator[World]:
    urls = [server.create_database(name) for name in ("random_runs", "random_replay")]
    for url in urls:
        Onlooker(url).rows("CREATE TABLE ledger (entry text NOT NULL)")
    project = new_project(tmp_path / "demo")
    yield World(project, *urls, chance=random.Random(SEED), folder=tmp_path)
    for name in ("random_runs", "random_replay"):
        server.drop_database(name)


@pytest.mark.slow
def test_after_each_of_200_random_runs_history_catalog_and_rows_agree_with_a_replay(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: Counter[int] = Counter()
    for number in range(RUNS):
        world.edit()
        code, said = world.disturbed()
        codes[code] += 1
        assert "Traceback" not in said, (SEED, number, said)
        expected = {0, -signal.SIGKILL, 1} if world.broken else {0, -signal.SIGKILL}
        assert code in expected, (SEED, number, said)
        assert look_at(world.url) in world.catch_up(), (SEED, number, said)
    with capsys.disabled():
        print(f"\nseed {SEED}: {dict(codes)}; kills: {dict(world.kills.most_common())}")
    assert not [stage for stage in STAGES if not world.kills[stage]], (SEED, world.kills)
