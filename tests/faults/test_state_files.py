"""What lies in `.nself/migrate` is a cache: torn, empty or from tomorrow, it costs nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from onlooker import Onlooker
from servers_for_tests import Nself, Project

VERSIONS = ["1", "2"]
SPOILT = {
    "empty": b"",
    "torn": b'{"run_id": "12',
    "a list": b"[]",
    "null": b"null",
    "not UTF-8": b"\xff\xfe\x00{}",
    "from a future version": b'{"version": 99, "task": {"id": 1}, "record": 5, "goal": "run"}',
}


@pytest.fixture
def failed_once(project: Project, nself: Nself) -> Path:
    """A project whose run took a backup and failed at its second migration, mended since."""
    project.migration("1", "one", "CREATE TABLE one (id integer);")
    path = project.migration("2", "two", "SELECT no_such_thing();")
    assert nself("run").code == 1
    path.write_text("CREATE TABLE two (id integer);")
    return project.root / ".nself" / "migrate"


def backups(folder: Path) -> int:
    return len(list((folder.parent / "backup").glob("[0-9]*")))


def finishes(nself: Nself, onlooker: Onlooker) -> None:
    """The next run does what is left, and the one after it finds nothing to do."""
    done = nself("run", "--json")
    assert (done.code, done.json()["applied"]) == (0, ["2"]), done.out + done.err
    assert "Traceback" not in done.err
    assert onlooker.history() == [(version, "applied") for version in VERSIONS]
    assert nself("run", "--json").json()["applied"] == []


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
def test_spoilt_files_are_passed_over(
    spoilt: bytes, failed_once: Path, nself: Nself, onlooker: Onlooker
) -> None:
    files = [*failed_once.glob("journal-*"), failed_once / "unfinished.json"]
    assert len(files) == 2
    for path in files:
        path.write_bytes(spoilt)
    finishes(nself, onlooker)


def test_folders_where_the_files_belong_are_passed_over(
    failed_once: Path, nself: Nself, onlooker: Onlooker
) -> None:
    """Even root cannot write there, as nobody else can to a read-only file."""
    for path in [*failed_once.glob("journal-*"), failed_once / "unfinished.json"]:
        path.unlink()
        path.mkdir()
    finishes(nself, onlooker)


def test_a_torn_end_of_the_journal_costs_its_line(
    failed_once: Path, nself: Nself, onlooker: Onlooker
) -> None:
    (path,) = failed_once.glob("journal-*")
    path.write_bytes(path.read_bytes()[:-20])
    finishes(nself, onlooker)


WRONG = [
    ("taken_at", "yesterday"),
    ("taken_at", None),
    ("next_xid", "12"),
    ("backup", 7),
    ("backup", "../../.."),
    ("run_id", 5),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=str)
def test_a_claim_with_a_value_of_another_kind_is_no_claim(
    field: str, value: Any, failed_once: Path, nself: Nself, onlooker: Onlooker
) -> None:
    path = failed_once / "unfinished.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    finishes(nself, onlooker)


@pytest.mark.parametrize("hours", [-1, 1], ids=["an hour ago", "in an hour"])
def test_a_clock_that_went_either_way_means_a_new_backup(
    hours: int, failed_once: Path, nself: Nself, onlooker: Onlooker
) -> None:
    path = failed_once / "unfinished.json"
    claim = json.loads(path.read_text())
    path.write_text(json.dumps(claim | {"taken_at": time.time() + hours * 3600}))
    finishes(nself, onlooker)
    assert backups(failed_once) == 2


def test_a_history_whose_clock_went_backwards_is_undone_in_the_order_of_its_rows(
    project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    for version in ("1", "2", "3"):
        up, down = f"CREATE TABLE t{version} (i integer);", f"DROP TABLE t{version};"
        project.migration(version, "t", up, down)
    assert nself("run", "--skip-backup").code == 0
    onlooker.rows("UPDATE public._nself_migrations SET applied_at = now() - id * interval '1 day'")
    assert nself("status", "--strict").code == 0
    back = nself("rollback", "--steps", "2", "--skip-backup", "--json")
    assert (back.code, back.json()["reverted"]) == (0, ["3", "2"])
    assert nself("run", "--skip-backup", "--json").json()["applied"] == ["2", "3"]
