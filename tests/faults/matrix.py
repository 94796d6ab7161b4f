"""The fault matrix: what one fault at the beginning of one step leaves, and what heals it.

A workplace is a small disk of its own with a project and a server on it. Every cell starts from
the same project and database, holds the command where the step begins, lets the fault happen, and
then runs the same command again, undisturbed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from held_steps import Held, hold
from moments import Tree, shop, whole_tree
from onlooker import Onlooker
from own_server import OwnServer, own_server
from servers_for_tests import Nself, Result, within
from wire import Wire, between

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.errors import ServerError

DISK = "384m"
VERSIONS = ("1", "2", "3")
MIGRATIONS = {
    "1_members": (
        "CREATE TABLE members AS SELECT id, body FROM legacy;",
        "DROP TABLE members;",
    ),
    "2_index": (
        "CREATE INDEX CONCURRENTLY legacy_body ON legacy (body);",
        "DROP INDEX CONCURRENTLY legacy_body;",
    ),
    "3_loans": (
        "ALTER TABLE legacy ADD COLUMN lent boolean; INSERT INTO ledger VALUES ('loans');",
        "ALTER TABLE legacy DROP COLUMN lent; DELETE FROM ledger;",
    ),
}
ROWS = """\
CREATE TABLE ledger (entry text NOT NULL);
CREATE TABLE legacy (id integer PRIMARY KEY, body text NOT NULL);
INSERT INTO legacy SELECT i, 'body ' || i FROM generate_series(1, 200) AS i;
"""
HALF = {"target_restore", "target_new_restore"}
OF_FILES = re.compile("migrate:(backup:files|intent|restore:(?!database:)|remove:)")
INTENT = ".nself/migrate/intent.json"
LOOK = """\
SELECT pg_catalog.string_agg(what, E'\\n' ORDER BY what) FROM (
  SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || atttypid::regtype AS what
    FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
    AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
  UNION ALL SELECT 'index ' || indexrelid::regclass || ' ' || indisvalid
    FROM pg_index JOIN pg_class AS c ON c.oid = indrelid
    WHERE c.relnamespace = 'public'::regnamespace
  UNION ALL SELECT 'ledger ' || entry FROM ledger
  UNION ALL SELECT 'rows ' || count(*) || ' ' || md5(string_agg(body, '' ORDER BY id)) FROM legacy
) AS seen WHERE what NOT LIKE '%\\_nself%'
"""


@dataclass(frozen=True)
class Seen:
    """Everything that a command can change."""

    files: Tree
    database: str | None
    history: list[tuple[str, str]]
    """Version and state of each migration that is in force."""
    unfinished: bool
    others: frozenset[str] = frozenset()
    """The databases beside the target, without the numbers at the end of their names."""
    begun: bool = False
    """Whether a statement of a migration that is not finished has run, or has begun to."""

    @property
    def lasting(self) -> frozenset[str]:
        """Those of them that are not half restored."""
        return self.others - HALF


@dataclass(frozen=True)
class Scenario:
    """A command, the project that it starts from, and what it brings about."""

    name: str
    command: tuple[str, ...]
    start: Path
    """The project before."""
    template: str
    """The database before, as a template."""
    old: Seen
    new: Seen
    planted: tuple[str, ...] = ()
    """The statements that make what else is on the server before."""
    only_once: bool = False
    """Whether there is nothing left to do for the same command once it is done: it is refused."""


@dataclass(frozen=True)
class Cell:
    """What one fault at one step has led to."""

    code: int
    seen: Seen
    second: Result
    after_second: Seen
    said: Result


class Workplace:
    """A disk with a project and a server; one thread works on it at a time."""

    def __init__(self, folder: Path, server: OwnServer, scratch: Path) -> None:
        self.folder, self.server, self.scratch = folder, server, scratch
        self.root = folder / "project"
        self.ballast = folder / "ballast"

    @property
    def url(self) -> str:
        return self.server.url.replace("/postgres?", "/target?")

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            for text in statements:
                connection.execute(text)  # type: ignore[arg-type]

    def put(self, start: Path, template: str, planted: tuple[str, ...] = ()) -> None:
        """Begin with a fresh copy of a project and of a database."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(start, self.root, symlinks=True)
        with psycopg.connect(self.server.url) as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^target'")
            # A restore keeps the database that was there, under another name.
            drops = [f'DROP DATABASE "{name}" WITH (FORCE)' for (name,) in rows.fetchall()]
        self.sql(*drops, f"CREATE DATABASE target TEMPLATE {template}", *planted)

    def seen(self) -> Seen:
        onlooker = Onlooker(self.url)
        history = [row for row in onlooker.history() if row[1] != "rolled_back"]
        database = onlooker.rows(LOOK)[0][0]
        unfinished = (self.root / INTENT).exists()
        tree, others = whole_tree(self.root), self._others()
        return Seen(tree, database, history, unfinished, others, onlooker.begun())

    def _others(self) -> frozenset[str]:
        with psycopg.connect(self.server.url) as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^target_'")
            return frozenset(re.sub(r"_[\d_-]+$", "", name) for (name,) in rows.fetchall())

    def second(self, *arguments: str) -> Result:
        """The same command, undisturbed."""
        environment = {"DATABASE_URL": self.url, "HOME": str(self.scratch)}
        return Nself(self.root, environment)(*arguments)

    def fill(self) -> None:
        """Leave nothing free on the disk, for the project and for the server."""
        with self.ballast.open("wb", buffering=0) as file:
            for block in (1 << 20, 4096):
                try:
                    while True:
                        file.write(b"\0" * block)
                except OSError:
                    continue

    def heal(self) -> None:
        """Give the disk its room back, and start the server if it died.

        One that found no room for the last checkpoint of its recovery neither ends nor answers.
        """
        self.ballast.unlink(missing_ok=True)
        try:
            psycopg.connect(self.server.url).close()
        except psycopg.OperationalError:
            try:
                self.server.cluster.start()
            except ServerError:
                self.server.kill()
                self.server.cluster.start()


Fault = Callable[[Workplace, Held, Wire], tuple[int, str, str]]


def error(place: Workplace, held: Held, wire: Wire) -> tuple[int, str, str]:
    held.break_the_disk()
    return held.go_on()


def server_error(place: Workplace, held: Held, wire: Wire) -> tuple[int, str, str]:
    wire.spoil()
    return held.go_on()


def told(number: signal.Signals) -> Fault:
    def fault(place: Workplace, held: Held, wire: Wire) -> tuple[int, str, str]:
        held.process.send_signal(number)
        return held.go_on()

    return fault


def killed(place: Workplace, held: Held, wire: Wire) -> tuple[int, str, str]:
    return held.kill()


def cut(place: Workplace, held: Held, wire: Wire) -> tuple[int, str, str]:
    wire.cut()
    return held.go_on()


def server_killed(place: Workplace, held: Held, wire: Wire) -> tuple[int, str, str]:
    place.server.kill()
    held.process.send_signal(signal.SIGCONT)
    place.server.cluster.start()
    return held.go_on()


def disk_full(place: Workplace, held: Held, wire: Wire) -> tuple[int, str, str]:
    place.fill()
    return held.go_on()


FAULTS: dict[str, Fault] = {
    "error": error,
    "Ctrl-C": told(signal.SIGINT),
    "SIGTERM": told(signal.SIGTERM),
    "SIGKILL": killed,
    "connection cut": cut,
    "server killed": server_killed,
    "disk full": disk_full,
}
ASKS_THE_SERVER = (
    *("preflight", "count-losses", "lock", "create-history"),
    *("apply", "commit", "begin", "revert", "record"),
)
"""Stages whose error comes from the server; that of the others comes from the disk."""


def run_cell(place: Workplace, scenario: Scenario, step: str, fault: str) -> Cell:
    """Let one fault happen, look, and run the command again."""
    place.put(scenario.start, scenario.template, scenario.planted)
    how = FAULTS[fault]
    asks = step.split(":")[1] in ASKS_THE_SERVER and "--files" not in scenario.command
    asks = asks or ("restore" in scenario.command and not OF_FILES.match(step))
    if fault == "error" and asks:
        how = server_error
    with between(place.url) as wire:
        environment = {"DATABASE_URL": wire.url, "HOME": str(place.scratch)}
        arguments = (*scenario.command, "--verbose", "--json")
        held = hold(step, place.root, place.scratch / "held", environment, *arguments)
        code, out, err = how(place, held, wire)
    place.heal()
    seen = place.seen()
    second = place.second(*scenario.command)
    return Cell(code, seen, second, place.seen(), Result(code, out, err))


@contextmanager
def workplace(folder: Path, scratch: Path, programs: Installation) -> Iterator[Workplace]:
    """A small disk with a server on it; unmounted at the end. Takes root."""
    options = ["-o", f"size={DISK},mode=711"]
    subprocess.run(["mount", "-t", "tmpfs", *options, "nself-test", str(folder)], check=True)
    try:
        (folder / "p").mkdir()
        with own_server(programs, folder / "p") as server:
            yield Workplace(folder, server, scratch)
    finally:
        # A server that is stopped at once may still write its last file.
        within(10, lambda: subprocess.run(["umount", str(folder)]).returncode == 0)
        if os.path.ismount(folder):
            there = _at(folder)
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
            raise AssertionError(f"somebody is still at {folder}: {there}")


def _at(folder: Path) -> list[str]:
    """The command lines of those who work in a folder or have a file of it open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            links = [process / "cwd", *(process / "fd").iterdir()]
            if any(str(link.readlink()).startswith(f"{folder}/") for link in links):
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def project(root: Path) -> Path:
    """A v1 project with three pending migrations, one of them outside a transaction."""
    shop(root)
    folder = root / "backend" / "migrations"
    folder.mkdir(parents=True)
    for name, (up, down) in MIGRATIONS.items():
        (folder / f"{name}.sql").write_text(up)
        (folder / f"{name}.down.sql").write_text(down)
    for number in range(11):
        # So many that the run has one to delete.
        old = root / f".nself/backup/20240101-0000{number:02d}"
        old.mkdir(parents=True)
        manifest = {"timestamp": old.name, "project_dir": str(root), "files": [], "run_id": "old"}
        (old / "manifest.json").write_text(json.dumps(manifest))
    return root


def is_done(cell: Cell, scenario: Scenario) -> bool:
    """Whether all that the command brings about was there after the fault."""
    seen, new = cell.seen, scenario.new
    same = (seen.files, seen.database, seen.history) == (new.files, new.database, new.history)
    return same and seen.lasting == new.lasting


def described(cell: Cell, scenario: Scenario) -> str:
    """What a cell says in the table: exit code, and how far the command had come."""
    seen, old, new = cell.seen, scenario.old, scenario.new
    if is_done(cell, scenario):
        return f"{_code(cell.code)}: done"
    is_old = (seen.files, seen.database) == (old.files, old.database) and not seen.unfinished
    if is_old and seen.lasting == old.lasting:
        partly = any(state == "partial" for _, state in seen.history)
        return f"{_code(cell.code)}: as before" + (", 1 announced" if partly else "")
    parts = []
    if seen.history != old.history:
        parts.append(_migrations(seen, scenario))
    if seen.files != old.files:
        both = {**new.files, **old.files}
        files = {name for name, (_, content) in both.items() if content is not None}
        changed = {name for name in files if _of(old, name) != _of(new, name)}
        done = sum(_of(seen, name) == _of(new, name) for name in changed)
        parts.append("all files" if done == len(changed) else f"{done} of {len(changed)} files")
    elif seen.unfinished:
        parts.append("files announced")
    return f"{_code(cell.code)}: {', '.join(parts)}"


def _of(seen: Seen, name: str) -> object:
    return seen.files.get(name)


def _migrations(seen: Seen, scenario: Scenario) -> str:
    whole = len(scenario.old.history) or len(scenario.new.history)
    applied = sum(state == "applied" for _, state in seen.history)
    partly = sum(state == "partial" for _, state in seen.history)
    if scenario.old.history:
        applied = whole - applied - partly
    return f"{applied} of {whole} migrations" + (", 1 partly" if partly else "")


def _code(code: int) -> str:
    return "killed" if code < 0 else str(code)
