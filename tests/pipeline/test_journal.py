"""doit's record: a line a step, written when the step ends; a cache that anything may happen to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doit.dependency import Dependency, MD5Checker
from doit.task import Task
from servers_for_tests import Nself, Project

from nself_tasks.pipeline.journal import JournalStore, MemoryStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def recorded(path: Path, *names: str) -> None:
    """Have doit record steps as successful."""
    store = Dependency(JournalStore, str(path), checker_cls=MD5Checker)
    for name in names:
        task = Task(name, None)
        task.values = {"seen": name}
        store.save_success(task)


def tasks(path: Path) -> list[str]:
    return [json.loads(line)["task"] for line in path.read_text().splitlines() if line]


def test_deps_is_the_last_key_that_doit_sets(path: Path, tmp_path: Path) -> None:
    keys: list[str] = []

    class Listening(JournalStore):
        def set(self, task_id: str, dependency: str, value: Any) -> None:
            keys.append(dependency)
            super().set(task_id, dependency, value)

    (tmp_path / "input").write_text("x")
    store = Dependency(Listening, str(path), checker_cls=MD5Checker)
    task = Task("a", None, file_dep=[str(tmp_path / "input")])
    task.values, task.result = {"x": 1}, "result"
    store.save_success(task)
    assert keys[-1] == "deps:"
    assert keys.count("deps:") == 1
    assert len(keys) > 3


def test_a_step_is_on_disk_before_the_run_ends(path: Path) -> None:
    recorded(path, "a", "b")
    assert tasks(path) == ["a", "b"]


def test_the_next_run_reads_what_this_one_recorded(path: Path) -> None:
    recorded(path, "a")
    store = Dependency(JournalStore, str(path), checker_cls=MD5Checker)
    assert store.get_values("a") == {"seen": "a"}


@pytest.mark.parametrize(
    "torn", ['{"task": "b", "rec', '{"task": "b"}', "[1]", "null", "\x00\xff", '"text"', "{}"]
)
def test_an_unreadable_line_costs_that_line_only(path: Path, torn: str) -> None:
    recorded(path, "a")
    with path.open("a", encoding="latin-1") as file:
        file.write(torn)
    recorded(path, "c")
    store = JournalStore(str(path))
    assert [name for name in "abc" if store.in_(name)] == ["a", "c"]


def test_what_is_forgotten_stays_forgotten(path: Path) -> None:
    recorded(path, "a", "b", "c")
    JournalStore(str(path)).remove("a")
    assert [name for name in "abc" if JournalStore(str(path)).in_(name)] == ["b", "c"]
    JournalStore(str(path)).remove_all()
    assert not any(JournalStore(str(path)).in_(name) for name in "abc")


def test_a_place_that_cannot_be_written_to_fails_no_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "journal", tmp_path / "missing" / "journal", tmp_path):
        recorded(path, "a")
        assert not JournalStore(str(path)).in_("a")


def test_a_plan_reads_and_writes_no_record(path: Path) -> None:
    recorded(path, "a")
    before = path.read_bytes()
    store = MemoryStore(str(path))
    assert not store.in_("a")
    store.set("b", "deps:", ())
    store.remove("b")
    assert path.read_bytes() == before


@pytest.fixture
def two(project: Project) -> Project:
    project.migration("1", "a", "CREATE TABLE a (i int);")
    project.migration("2", "b", "CREATE TABLE b (i int);")
    return project


def test_a_deleted_journal_changes_nothing(two: Project, nself: Nself) -> None:
    assert nself("run", "--to", "1", "--skip-backup").code == 0
    for journal in (two.root / ".nself" / "migrate").glob("journal-*"):
        journal.unlink()
    result = nself("run", "--skip-backup", "--json")
    assert (result.code, result.json()["applied"]) == (0, ["2"])


def test_a_journal_that_claims_too_much_is_not_believed(two: Project, nself: Nself) -> None:
    assert nself("run", "--to", "1", "--skip-backup").code == 0
    (journal,) = (two.root / ".nself" / "migrate").glob("journal-*")
    journal.write_text(journal.read_text().replace("migrate:apply:1", "migrate:apply:2"))
    assert nself("run", "--skip-backup", "--json").json()["applied"] == ["2"]


def test_a_folder_without_room_for_a_journal_is_a_warning(two: Project, nself: Nself) -> None:
    two.write(".nself/migrate", "a file where the folder belongs")
    result = nself("run", "--skip-backup", "--json")
    assert (result.code, result.json()["applied"]) == (0, ["1", "2"])
    assert "no journal is kept" in result.err
