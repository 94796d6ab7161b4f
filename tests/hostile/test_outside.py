"""Links and paths that lead out of the project: nothing is ever written where they lead."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import servers_for_tests as servers
import v1_projects
from hostile import contents, every_command, in_words
from servers_for_tests import Nself

from nself_tasks.database.servers.binaries import from_wheel


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the project that is none of our business."""
    folder = tmp_path / "outside"
    (folder / "sites").mkdir(parents=True)
    (folder / "empty").write_bytes(b"")
    (folder / "notes").write_text("mine\n")
    (folder / "docker-compose.yml").write_text("services: {}\n")
    (folder / ".nself-00.tmp").write_text("a draft of somebody else\n")
    (folder / "1_a.sql").write_text("CREATE TABLE stolen (i int);")
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return v1_projects.write(tmp_path / "shop")


@pytest.fixture
def nself(shop: Path, tmp_path: Path) -> Nself:
    return Nself(shop, {"HOME": str(tmp_path / "home")})


def linked(name: str, target: str = "") -> Callable[[Path, Path], None]:
    """Put a link to (something in) the folder outside in the place of a file or folder."""

    def change(shop: Path, outside: Path) -> None:
        place = shop / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            place.rename(shop / f"old-{place.name.strip('.')}")
        place.symlink_to(os.path.relpath(outside / target, place.parent))

    return change


LINKS = {
    "the migrations": linked("backend/migrations"),
    "one migration": linked("backend/migrations/1_a.sql", "1_a.sql"),
    "an env file": linked(".env", "notes"),
    "an env file to nowhere": linked(".env.local", "new"),
    "the compose file": linked("docker-compose.yml", "docker-compose.yml"),
    "nginx": linked("nginx"),
    "the sites": linked("nginx/sites", "sites"),
    "the plugins": linked("plugins"),
    "all of ours": linked(".nself"),
    "the backups": linked(".nself/backup"),
    "the state": linked(".nself/migrate"),
    "the staged files": linked(".nself/migrate/staged"),
    "the ignore file": linked(".nself/migrate/.gitignore", "new"),
    "the ignore file, empty": linked(".nself/backup/.gitignore", "empty"),
    "the intent": linked(".nself/migrate/intent.json", "notes"),
    "the record": linked(".nself/migrate/state.json", "notes"),
    "the claim": linked(".nself/migrate/unfinished.json", "new"),
    "the lock": linked(".nself/migrate/lock", "new"),
    "the journal of the files": linked(".nself/migrate/journal-files.jsonl", "notes"),
}


@pytest.mark.parametrize("what", LINKS)
def test_nothing_is_written_where_a_link_leads(
    shop: Path, outside: Path, nself: Nself, what: str
) -> None:
    LINKS[what](shop, outside)
    before = contents(outside)
    every_command(nself)
    in_words(nself("generate", "a", "--no-ai"))
    assert contents(outside) == before


@pytest.mark.parametrize("name", [".nself", ".nself/postgres"])
def test_the_embedded_server_is_not_made_where_a_link_leads(
    shop: Path, outside: Path, nself: Nself, name: str
) -> None:
    if not from_wheel():
        pytest.skip(f"no embedded wheel {servers.APT}")
    v1_projects.write(shop, {"backend/migrations/1_a.sql": "CREATE TABLE a (i int);"})
    linked(name)(shop, outside)
    before = contents(outside)
    result = in_words(nself("run", "--database-url", "embedded", "--schema-only"), 1)
    assert "is a symlink" in result.err
    assert contents(outside) == before


def test_a_data_folder_that_others_may_enter_is_not_started(shop: Path, nself: Nself) -> None:
    if not from_wheel():
        pytest.skip(f"no embedded wheel {servers.APT}")
    v1_projects.write(shop, {"backend/migrations/1_a.sql": "CREATE TABLE a (i int);"})
    command = ("run", "--database-url", "embedded", "--schema-only")
    in_words(nself(*command), 0)
    data = shop / ".nself/postgres/data"
    assert data.stat().st_mode & 0o777 == 0o700
    data.chmod(0o755)
    assert "permissions" in in_words(nself(*command), 1).err
    data.chmod(0o700)
    in_words(nself(*command), 0)


@pytest.mark.postgres
def test_the_journal_of_a_run_does_not_grow_where_a_link_leads(
    project: servers.Project, nself_in: Nself, outside: Path
) -> None:
    project.migration("1", "a", "CREATE TABLE a (i int);")
    assert nself_in("run", "--skip-backup").code == 0
    [journal] = (project.root / ".nself/migrate").glob("*.jsonl")
    journal.unlink()
    journal.symlink_to(outside / "notes")
    project.migration("2", "b", "CREATE TABLE b (i int);")
    assert nself_in("run", "--skip-backup").code == 0
    assert (outside / "notes").read_text() == "mine\n"


@pytest.fixture
def nself_in(project: servers.Project, database: str) -> Nself:
    return Nself(project.root, {"DATABASE_URL": database})


def test_a_link_that_stays_in_the_project_is_followed(shop: Path, nself: Nself) -> None:
    (shop / "docker-compose.yml").rename(shop / "compose-of-v1.yml")
    (shop / "docker-compose.yml").symlink_to("compose-of-v1.yml")
    in_words(nself("run", "--files-only"), 0)
    assert (shop / "docker-compose.yml").is_symlink()
    in_words(nself("detect", "--strict"), 0)


def test_generate_does_not_write_through_a_link(shop: Path, outside: Path, nself: Nself) -> None:
    LINKS["the migrations"](shop, outside)
    result = in_words(nself("generate", "add orders", "--no-ai"), 1)
    assert "leads out of the project" in result.err
    assert not list(outside.glob("*orders*"))


def test_a_folder_that_was_named_may_lie_anywhere(shop: Path, outside: Path, nself: Nself) -> None:
    in_words(nself("generate", "add orders", "--no-ai", "--migrations-dir", str(outside)), 0)
    assert len(list(outside.glob("*orders*"))) == 2


@pytest.mark.parametrize("name", ["include", "extends"])
def test_what_a_compose_file_includes_is_neither_read_nor_changed(
    shop: Path, outside: Path, nself: Nself, name: str
) -> None:
    (outside / "docker-compose.yml").chmod(0)
    compose = shop / "docker-compose.yml"
    text = compose.read_text()
    added = {
        "include": f"include:\n  - {outside}/docker-compose.yml\n",
        "extends": f"x-a:\n  extends: {{file: {outside}/docker-compose.yml, service: a}}\n",
    }
    compose.write_text(f"{text}\n{added[name]}")
    before = contents_unread(outside)
    every_command(nself)
    assert contents_unread(outside) == before


def contents_unread(folder: Path) -> list[tuple[str, int, int]]:
    return [(p.name, p.lstat().st_mode, p.lstat().st_mtime_ns) for p in sorted(folder.iterdir())]


def test_the_backup_says_where_it_is_from_and_nothing_else_of_the_machine(
    shop: Path, nself: Nself
) -> None:
    in_words(nself("run", "--files-only"), 0)
    [path] = shop.glob(".nself/backup/*/manifest.json")
    manifest = json.loads(path.read_text())
    assert manifest["project_dir"] == str(shop)
    assert all(not os.path.isabs(e["source"]) for e in manifest["files"])  # noqa: PTH117
