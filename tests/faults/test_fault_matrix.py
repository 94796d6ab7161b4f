"""Every step × every fault: each ends old or new, none is lost, and a second command heals it.

`docs/reliability.md` holds the table. A cell that comes out otherwise fails here; with
NSELF_TEST_WRITE_MATRIX=1 the tests write what they saw instead.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import servers_for_tests as servers
from matrix import (
    FAULTS,
    ROWS,
    VERSIONS,
    Cell,
    Scenario,
    Workplace,
    described,
    is_done,
    project,
    run_cell,
    workplace,
)

from nself_tasks.database.marked_databases import Mark

DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"
APPLIED = [(version, "applied") for version in VERSIONS]
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run",),
    "run --atomic": ("run", "--atomic", "--schema-only"),
    "rollback": ("rollback", "--to", "0"),
    "rollback --files": ("rollback", "--files"),
    "backups restore": ("backups", "restore", "ID", "--database", "--replace", "target", "--yes"),
    "backups restore ID --files --database": (
        *("backups", "restore", "ID", "--files", "--database", "--replace", "target", "--yes"),
    ),
    "backups restore ID --into NAME": ("backups", "restore", "ID", "--into", "target_new"),
    "backups restore ID --drop-old": ("backups", "restore", "20200101-000000", "--drop-old"),
}
ONLY_ONCE = ("backups restore ID --into NAME", "backups restore ID --drop-old")
"""What is done cannot be done again: the database is there already, or is no more."""


def mark(state: Literal["restoring", "kept"]) -> str:
    """The comment of a database of a restore that is over."""
    return Mark(state, of="target", project="shop", backup="20200101-000000", run="over").text()


LEFT = (
    "CREATE DATABASE target_restore_20200101",
    f"COMMENT ON DATABASE target_restore_20200101 IS '{mark('restoring')}'",
)
KEPT = (
    "CREATE DATABASE target_before_restore",
    f"COMMENT ON DATABASE target_before_restore IS '{mark('kept')}'",
)
PLANTED = {"backups restore": LEFT, "backups restore ID --drop-old": KEPT}

STEPS = {
    "run": (
        "migrate:files-lock",
        "migrate:stage:.env",
        "migrate:regenerate",
        "migrate:backup:files",
        "migrate:intent",
        "migrate:preflight",
        "migrate:lock",
        "migrate:backup:database",
        "migrate:create-history",
        "migrate:apply:1",
        "migrate:apply:2",
        "migrate:apply:3",
        "migrate:install:.env",
        "migrate:install:docker-compose.yml",
        "migrate:retain-backups",
        "migrate:record",
        "migrate:hasura",
    ),
    "run --atomic": ("migrate:begin", "migrate:apply:1", "migrate:commit"),
    "rollback": (
        "migrate:preflight",
        "migrate:count-losses",
        "migrate:lock",
        "migrate:backup:database",
        "migrate:revert:2",
        "migrate:record",
    ),
    "rollback --files": (
        "migrate:backup:files",
        "migrate:intent",
        "migrate:restore:.env",
        "migrate:remove:nginx/sites/hasura.conf",
        "migrate:record",
    ),
    "backups restore": (
        "migrate:lock",
        "migrate:restore:database:leftovers",
        "migrate:restore:database:create",
        "migrate:restore:database:data",
        "migrate:restore:database:check",
        "migrate:restore:database:properties",
        "migrate:restore:database:swap",
        "migrate:record",
    ),
    "backups restore ID --files --database": (
        "migrate:restore:database:swap",
        "migrate:backup:files",
        "migrate:intent",
        "migrate:restore:.env",
        "migrate:remove:nginx/sites/hasura.conf",
    ),
    "backups restore ID --into NAME": (
        "migrate:restore:database:create",
        "migrate:restore:database:data",
        "migrate:restore:database:check",
        "migrate:restore:database:properties",
        "migrate:restore:database:swap",
        "migrate:record",
    ),
    "backups restore ID --drop-old": ("migrate:drop-old:target_before_restore",),
}
ALL = [(name, step, fault) for name in STEPS for step in STEPS[name] for fault in FAULTS]
GOES_ON = (
    ("run", "migrate:regenerate"),
    ("run", "migrate:retain-backups"),
    ("run", "migrate:hasura"),
    ("rollback", "migrate:preflight"),
    ("backups restore ID --into NAME", "migrate:record"),
)
"""Where an error is no end: the first changes nothing here, the second tidies up, the third tells
somebody else of what is done, after the fourth comes a count, which is then said to be none, and
the last has nothing to ask."""
RACES = {
    ("backups restore ID --into NAME", f"migrate:restore:database:{part}", "error")
    for part in ("properties", "swap")
}
"""Two connections ask at once, and whose question meets the error is open: what the command then
says of the database is held against it as everywhere."""
ALSO = {"backups restore ID --files --database": ("backups restore", "rollback --files")}
"""Whose rows are those of a command that is made of them."""
WRITES = bool(os.environ.get("NSELF_TEST_WRITE_MATRIX"))
CODES = {"Ctrl-C": {130}, "SIGTERM": {143}, "SIGKILL": {-9}, "error": {1}}

pytestmark = pytest.mark.slow

Key = tuple[str, str, str]


class Worker:
    """A workplace with the scenarios made on it."""

    def __init__(self, place: Workplace, scratch: Path) -> None:
        self.place = place
        start = project(scratch / "start")
        database(place, "before")
        self.scenarios = {"run": self._scenario("run", start, "before")}
        after = Path(shutil.copytree(place.root, scratch / "after", symlinks=True))
        place.sql("CREATE DATABASE after TEMPLATE target")
        for name, begin, template in (
            ("rollback", after, "after"),
            ("rollback --files", after, "after"),
            *((name, after, "after") for name in COMMANDS if name.startswith("backups")),
        ):
            self.scenarios[name] = self._scenario(name, begin, template)
        atomic = Path(shutil.copytree(start, scratch / "atomic", symlinks=True))
        for path in (atomic / "backend/migrations").glob("2_*"):
            path.unlink()
        self.scenarios["run --atomic"] = self._scenario("run --atomic", atomic, "before")

    def _scenario(self, name: str, start: Path, template: str) -> Scenario:
        place, planted = self.place, PLANTED.get(name, ())
        place.put(start, template, planted)
        command = tuple(backup_of(start) if word == "ID" else word for word in COMMANDS[name])
        old = place.seen()
        done = place.second(*command)
        assert done.code == 0, done.err
        once = name in ONLY_ONCE
        return Scenario(name, command, start, template, old, place.seen(), planted, once)

    def cell(self, key: Key) -> Cell:
        name, step, fault = key
        try:
            return run_cell(self.place, self.scenarios[name], step, fault)
        finally:
            self.place.heal()


def backup_of(root: Path) -> str:
    """The backup that the run has taken: the newest one."""
    return max(path.parent.name for path in root.glob(".nself/backup/[0-9]*/database.dump"))


def database(place: Workplace, name: str) -> None:
    import psycopg

    place.sql(f"CREATE DATABASE {name}")
    with psycopg.connect(place.server.url.replace("/postgres?", f"/{name}?")) as connection:
        connection.execute(ROWS)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    programs = servers.installation("embedded") or servers.installation("local")
    if programs is None:
        pytest.skip(f"no Postgres programs {servers.APT}")
    scratch = tmp_path_factory.mktemp("worker")
    with (
        tempfile.TemporaryDirectory(prefix="m", dir="/tmp") as short,
        workplace(Path(short), scratch, programs) as place,
    ):
        yield Worker(place, scratch)


@pytest.mark.parametrize("key", ALL, ids=lambda key: " - ".join(key))
def test_a_fault_at_the_beginning_of_a_step_is_healed_by_the_same_command(
    key: Key, worker: Worker
) -> None:
    name, step, fault = key
    cell, scenario = worker.cell(key), worker.scenarios[name]
    said = f"{cell.said.out}\n{cell.said.err}"
    goes_on = fault == "error" and (name, step) in GOES_ON
    assert cell.code in ({0} if goes_on else CODES.get(fault, {0, 1})), said
    assert "Traceback" not in said
    check_true(cell, said)
    refused = scenario.only_once and is_done(cell, scenario)
    assert cell.second.code == int(refused), f"{said}\n---\n{cell.second.err}"
    assert cell.after_second == scenario.new
    seen = described(cell, scenario)
    if (name, step, fault) in RACES and seen in ("1: as before", "1: done"):
        seen = "1: as before, or done"
    if WRITES:
        write(name, step, fault, seen)
    else:
        assert table(name)[step][fault] == seen


def check_true(cell: Cell, said: str) -> None:
    """What the command said of the database is so."""
    if cell.code < 0:
        return
    told = cell.said.json()
    assert (told["database"] == "partial") == cell.seen.begun, said
    if told["command"] == "backups":
        check_restored(cell, told, said)
    if "applied" in told and told["command"] == "run":
        done = [version for version, state in cell.seen.history if state == "applied"]
        assert told["applied"] == done, said


def check_restored(cell: Cell, told: Any, said: str) -> None:
    """So is what a restore says in words, and in the names of the databases."""
    state, kept = told.get("state", ""), "target_before_restore" in cell.seen.others
    if told.get("goal") == "drop-old":
        assert (told["dropped"] == []) == kept, said
    elif told.get("restored") == "target_new":
        assert cell.seen.lasting == {"target_new"}, said
        assert not state or "is there, whole" in state, said
    elif told.get("restored"):
        assert (told["database"], kept) == ("restored", True), said
        assert not state or "the old one is kept as `target_before_restore" in state, said
    elif told["database"] == "unchanged":
        assert not kept, said
        assert cell.seen.lasting == frozenset(), said
        assert "nothing had been made yet" not in state or "create" not in done(told), said


def done(told: Any) -> set[str]:
    """The last parts of the steps that a report calls done."""
    return {s["id"].rpartition(":")[2] for s in told["steps"] if s["status"] == "done"}


def test_the_table_has_a_row_for_every_kind_of_step(worker: Worker) -> None:
    for name, scenario in worker.scenarios.items():
        worker.place.put(scenario.start, scenario.template, scenario.planted)
        planned = worker.place.second(*scenario.command, "--dry-run", "--json").json()["steps"]
        changing = {kind(step["id"]) for step in planned if step["status"] == "run"}
        covered = {kind(step) for step in STEPS[name]} | {
            kind(step)
            for other in ("run", "run --atomic", *ALSO.get(name, ()))
            for step in STEPS[other]
        }
        assert changing <= covered


def kind(step: str) -> str:
    """A step without its file or version; each part of a database's restore is a kind."""
    parts = step.split(":")
    if parts[1:3] == ["restore", "database"]:
        return step
    return ":".join(parts[:3]) if parts[1] == "backup" else ":".join(parts[:2])


# --- the table in the documentation ---

HEAD = "| step | " + " | ".join(FAULTS) + " |"


def table(name: str) -> dict[str, dict[str, str]]:
    """The cells of one table of the page, by step and fault."""
    found: dict[str, dict[str, str]] = {}
    for line in section(name).splitlines():
        if line.startswith("| `migrate:"):
            step, *rest = [text.strip() for text in line.strip("|").split("|")]
            found[step.strip("`")] = dict(zip(FAULTS, rest, strict=True))
    return found


def section(name: str) -> str:
    text = DOCS.read_text()
    found = re.search(rf"^### `nself migrate {re.escape(name)}`\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert found, f"no section for {name}"
    return found[1]


def write(name: str, step: str, fault: str, text: str) -> None:
    """Put one cell into the page."""
    rows: dict[str, Any] = {step: {} for step in STEPS[name]}
    for known, cells in table(name).items():
        if known in rows:
            rows[known] = cells
    rows[step][fault] = text
    lines = [HEAD, "|---" * (len(FAULTS) + 1) + "|"]
    lines += [
        f"| `{each}` | " + " | ".join(cells.get(f, "") for f in FAULTS) + " |"
        for each, cells in rows.items()
    ]
    words = [line for line in section(name).strip().splitlines() if not line.startswith("|")]
    body = "\n" + "\n".join([*words, *([] if not words else [""]), *lines]) + "\n\n"
    body = re.sub(r"\n{3,}", "\n\n", body)
    title = f"### `nself migrate {name}`\n"
    DOCS.write_text(DOCS.read_text().replace(title + section(name), title + body))
