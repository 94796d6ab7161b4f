"""Old backups go only when a run has succeeded, by name, and never one that is still needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import rows

from nself_tasks.backup_catalog import stored
from nself_tasks.discovery import Project as Found
from nself_tasks.retention import remove, surplus

KEEP_TWO = {"NSELF_BACKUP_KEEP": "2"}


def folder(project: Project) -> Path:
    return project.root / ".nself" / "backup"


def ids(project: Project) -> list[str]:
    return sorted(path.parent.name for path in folder(project).glob("[!.]*/manifest.json"))


def plant(project: Project, backup_id: str, **manifest: Any) -> None:
    place = folder(project) / backup_id
    place.mkdir(parents=True)
    (place / "database.dump").write_bytes(b"dump")
    whole = {"timestamp": backup_id, "project_dir": str(project.root), "files": [], **manifest}
    (place / "manifest.json").write_text(json.dumps(whole))


def dumps(project: Project, names: Sequence[str], identity: str = "a", **more: Any) -> None:
    about = {"dump": "database.dump", "size": 4, "sha256": "0" * 64, "server_version": 180000}
    for name in names:
        plant(project, name, database={**about, "identity": identity}, **more)


OLD = ("20240101-000001", "20240101-000002", "20240101-000002-2", "20240101-000002-10")


def of(project: Project, keep: int, **arguments: Any) -> list[str]:
    arguments.setdefault("needed", ())
    return surplus(Found(root=project.root, migrations_dir=project.migrations), keep, **arguments)


@pytest.fixture
def identity(project: Project, nself: Nself) -> str:
    """What the manifests call this database."""
    project.migration("1", "a", "CREATE TABLE a (x int);", "DROP TABLE a;")
    assert nself("run").code == 0
    [backup] = ids(project)
    about = json.loads((folder(project) / backup / "manifest.json").read_text())
    project.migration("2", "b", "CREATE TABLE b (x int);", "DROP TABLE b;")
    return str(about["database"]["identity"])


def test_the_plan_names_what_the_run_then_deletes(
    project: Project, nself: Nself, identity: str
) -> None:
    dumps(project, OLD, identity)
    before = ids(project)
    planned = nself("run", "--dry-run", "--json", environment=KEEP_TWO).json()
    [step] = [s for s in planned["steps"] if s["id"] == "migrate:retain-backups"]
    assert all(name in step["title"] for name in OLD)
    assert ids(project) == before
    done = nself("run", environment=KEEP_TWO)
    assert done.code == 0
    assert "migrate:retain-backups" in done.err
    assert len(ids(project)) == 2
    assert not set(OLD) & set(ids(project))
    assert list(folder(project).glob(".unfinished-*")) == []


def test_a_run_that_fails_deletes_nothing(project: Project, nself: Nself, identity: str) -> None:
    dumps(project, OLD, identity)
    project.migration("3", "c", "SELECT 1 / 0;", "SELECT 1;")
    before = set(ids(project))
    assert nself("run", environment=KEEP_TWO).code == 1
    assert before < set(ids(project))


def test_without_the_variable_ten_stay(project: Project, nself: Nself, identity: str) -> None:
    dumps(project, [f"20240101-0000{n:02d}" for n in range(20)], identity)
    assert nself("run").code == 0
    assert len(ids(project)) == 10


def test_the_env_file_may_say_how_many(project: Project, nself: Nself, identity: str) -> None:
    dumps(project, OLD, identity)
    with (project.root / ".env").open("a") as env:
        env.write("NSELF_BACKUP_KEEP=3\n")
    assert nself("run").code == 0
    assert len(ids(project)) == 3


def test_zero_keeps_all(project: Project, nself: Nself, identity: str) -> None:
    dumps(project, OLD, identity)
    assert nself("run", environment={"NSELF_BACKUP_KEEP": "0"}).code == 0
    assert len(ids(project)) == 2 + len(OLD)


@pytest.mark.usefixtures("identity")
@pytest.mark.parametrize("text", ["two", "-1", "1.5", "٣"])
def test_what_is_no_number_is_refused_before_anything_changes(
    project: Project, nself: Nself, database: str, text: str
) -> None:
    before = ids(project)
    refused = nself("run", environment={"NSELF_BACKUP_KEEP": text})
    assert refused.code == 2
    assert "NSELF_BACKUP_KEEP" in refused.err
    assert ids(project) == before
    assert rows(database, "SELECT to_regclass('b')::text") == [None]


def test_each_database_has_a_count_of_its_own(project: Project) -> None:
    dumps(project, OLD, "prod")
    dumps(project, ["20250101-000001", "20250101-000002"], "dev")
    assert of(project, 2) == list(OLD[:2])
    assert of(project, 2, upcoming="dev") == [*OLD[:2], "20250101-000001"]


def test_the_newest_stays_whatever_is_asked(project: Project) -> None:
    dumps(project, OLD)
    assert of(project, 1) == list(OLD[:3])


def test_with_one_to_come_that_one_is_the_newest(project: Project) -> None:
    dumps(project, OLD)
    assert of(project, 1, upcoming="a") == list(OLD)


def test_what_an_unfinished_run_needs_stays(project: Project) -> None:
    dumps(project, OLD)
    assert of(project, 1, needed=(OLD[0],)) == list(OLD[1:3])


def test_backups_of_another_program_and_unreadable_ones_stay(project: Project) -> None:
    for name in OLD:
        plant(project, name)
    (folder(project) / "20230101-000000").mkdir()
    (folder(project) / "20230101-000001").mkdir()
    (folder(project) / "20230101-000001" / "manifest.json").write_text("{")
    assert of(project, 1) == []


@pytest.mark.parametrize("damage", ["dump is gone", "dump is cut", "manifest is torn"])
def test_one_that_is_not_whole_stays_and_takes_the_place_of_none(
    project: Project, damage: str
) -> None:
    dumps(project, OLD)
    broken = folder(project) / OLD[3]
    if damage == "dump is gone":
        (broken / "database.dump").unlink()
    else:
        name = "database.dump" if damage == "dump is cut" else "manifest.json"
        (broken / name).write_bytes(b"{")
    assert of(project, 2) == [OLD[0]]


def test_a_symlink_is_listed_neither_counted_nor_touched(project: Project, tmp_path: Path) -> None:
    dumps(project, OLD)
    moved = folder(project) / OLD[0]
    moved.rename(tmp_path / "larger disk")
    moved.symlink_to(tmp_path / "larger disk")
    found = Found(root=project.root, migrations_dir=project.migrations)
    assert of(project, 1) == [OLD[1], OLD[2]]
    with pytest.raises(OSError, match="symlink"):
        remove(found, OLD[0])
    assert [one.id for one in stored(found)] == list(reversed(OLD))
    assert (tmp_path / "larger disk" / "database.dump").exists()


def test_a_symlink_to_a_disk_that_is_not_there_is_listed_too(
    project: Project, nself: Nself, tmp_path: Path
) -> None:
    (folder(project) / OLD[0]).parent.mkdir(parents=True)
    (folder(project) / OLD[0]).symlink_to(tmp_path / "unplugged")
    [found] = nself("backups", "list", "--json").json()["backups"]
    assert (found["id"], found["state"]) == (OLD[0], "unreadable")


class TestAClockThatWasAhead:
    AHEAD = ("20991230-000000", "20991231-000000")

    def test_the_one_that_was_made_last_is_the_newest(self, project: Project) -> None:
        dumps(project, ("20991231-000000",), sequence=1, taken_at="2099-12-31T00:00:00+00:00")
        dumps(project, ("20240101-000000",), sequence=2, taken_at="2024-01-01T00:00:00+00:00")
        assert of(project, 1) == ["20991231-000000"]

    def test_without_a_number_the_time_in_the_manifest_goes_before_the_name(
        self, project: Project
    ) -> None:
        dumps(project, ("20991231-000000",), taken_at="2024-01-01T00:00:00+00:00")
        dumps(project, ("20240102-000000",), taken_at="2024-01-02T00:00:00+00:00")
        assert of(project, 1) == ["20991231-000000"]

    @pytest.mark.parametrize("number", [True, -1, 1 << 60, "9", 1.5, None])
    def test_a_number_that_we_do_not_give_is_none(self, project: Project, number: Any) -> None:
        dumps(project, ("20991231-000000",), sequence=number)
        dumps(project, ("20240101-000000",), sequence=1)
        assert of(project, 1) == ["20991231-000000"]

    @pytest.mark.parametrize("numbered", [True, False])
    def test_each_run_keeps_its_own_and_deletes_those_that_its_plan_names(
        self, project: Project, nself: Nself, identity: str, numbered: bool
    ) -> None:
        about = {"sequence": 1} if numbered else {}
        dumps(project, self.AHEAD, identity, **about)
        made = set(ids(project)) - set(self.AHEAD)
        for number in (3, 4, 5):
            project.migration(str(number), f"m{number}", f"CREATE TABLE t{number} (x int);")
            planned = retained(nself("run", "--dry-run", "--json", environment=KEEP_TWO).json())
            before = set(ids(project))
            done = nself("run", "--json", environment=KEEP_TWO).json()
            made.add(done["backup"])
            gone = before - set(ids(project))
            assert all(name in planned for name in gone), (planned, gone)
            assert len(gone) == planned.count(",") + 1
            assert done["backup"] in ids(project)
        assert set(ids(project)) == set(sorted(made)[-2:])


def retained(plan: Any) -> str:
    """What a plan says of the backups that go."""
    [step] = [s for s in plan["steps"] if s["id"] == "migrate:retain-backups"]
    return str(step["title"])


def test_a_backup_that_is_the_only_one_goes_once_the_new_one_is_there(
    project: Project, nself: Nself, identity: str
) -> None:
    done = nself("run", "--json", environment={"NSELF_BACKUP_KEEP": "1"}).json()
    assert ids(project) == [done["backup"]]
