"""`backups list`, `show` and `verify`: what an operator sees, and what is wrong, by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from observation import folder_tree, violations
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import COMPOSE, Nself, Project, ScratchServer


@pytest.fixture
def shop(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    with backed_up(project, nself, database, server) as found:
        yield found


def manifest_of(shop: BackedUp) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shop.folder / "manifest.json").read_text())
    return found


def test_the_list_says_age_size_reason_environment_and_contents(
    shop: BackedUp, server: ScratchServer
) -> None:
    done = shop.nself("backups", "--json").json()
    assert violations(done, "backups-list") == []
    [found] = done["backups"]
    assert 0 <= found.pop("age_seconds") < 600
    assert found.pop("taken_at").endswith("+00:00")
    assert found == {
        "id": shop.id,
        "state": "complete",
        "size": (shop.folder / "database.dump").stat().st_size,
        "reason": "before `nself migrate run`",
        "environment": "dev",
        "files": 0,
        "created": 0,
        "database": shop.name,
        "server_major": server.major,
        "problems": [],
    }


def test_show_names_the_roles_that_are_not_in_the_dump(shop: BackedUp) -> None:
    done = shop.nself("backups", "show", shop.id, "--json").json()
    assert violations(done, "backups-show") == []
    assert "postgres" in done["not_in_the_dump"]["roles"]
    shown = shop.nself("backups", "show", shop.id).out
    assert shop.name in shown
    assert "roles that are not in it" in shown


def test_a_sound_backup_is_verified_and_nothing_is_written(shop: BackedUp) -> None:
    before = folder_tree(shop.project.root)
    done = shop.nself("backups", "verify", "--json")
    assert (done.code, violations(done.json(), "backups-verify")) == (0, [])
    [found] = done.json()["verified"]
    assert (found["sound"], found["entries"]) == (
        True,
        manifest_of(shop)["database"]["entries"],
    )
    for action in ("list", "verify"):
        assert shop.nself("backups", action).code == 0
    assert folder_tree(shop.project.root) == before


def test_without_any_backup_there_is_nothing_wrong(nself_offline: Nself) -> None:
    for action in ("list", "verify"):
        done = nself_offline("backups", action)
        assert (done.code, done.out) == (0, "no backups\n")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


def rewrite(folder: Path, **changes: Any) -> None:
    found = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(found | changes))


FILE = {"source": "../x", "dest": "../../x", "sha256": "0" * 64, "mode": 0o600}
DAMAGES: dict[str, tuple[Callable[[Path], Any], str, str, str]] = {
    "dump changed": (
        lambda f: flip(f / "database.dump"),
        "database.dump",
        "is not what was backed up (sha256)",
        "complete",
    ),
    "dump cut": (
        lambda f: (f / "database.dump").write_bytes((f / "database.dump").read_bytes()[:-1]),
        "database.dump",
        "is cut",
        "incomplete",
    ),
    "dump missing": (
        lambda f: (f / "database.dump").unlink(),
        "database.dump",
        "is missing",
        "incomplete",
    ),
    "manifest missing": (
        lambda f: (f / "manifest.json").unlink(),
        "manifest.json",
        "is missing",
        "unreadable",
    ),
    "manifest torn": (
        lambda f: (f / "manifest.json").write_text((f / "manifest.json").read_text()[:50]),
        "manifest.json",
        "is torn",
        "unreadable",
    ),
    "manifest of another program": (
        lambda f: rewrite(f, files=[{"source": "a", "dest": "a"}]),
        "manifest.json",
        "is foreign",
        "unreadable",
    ),
    "manifest of another backup": (
        lambda f: rewrite(f, timestamp="20200101-000000"),
        "manifest.json",
        "is foreign: it is of the backup `20200101-000000`",
        "unreadable",
    ),
    "manifest that leads outside": (
        lambda f: rewrite(f, files=[FILE]),
        "manifest.json",
        "names a file outside of the backup",
        "unreadable",
    ),
    "file missing": (
        lambda f: rewrite(f, files=[FILE | {"source": "a", "dest": "a"}]),
        "a",
        "is missing",
        "incomplete",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_wrong_is_named_and_ends_with_1(shop: BackedUp, damage: str) -> None:
    spoil, name, message, state = DAMAGES[damage]
    spoil(shop.folder)
    result = shop.nself("backups", "verify", shop.id, "--json")
    [problem] = result.json()["error"]["problems"]
    assert (result.code, violations(result.json(), "backups-verify")) == (1, [])
    assert problem["path"] == f".nself/backup/{shop.id}/{name}"
    assert problem["message"].startswith(message)
    [listed] = shop.nself("backups", "list", "--json").json()["backups"]
    assert listed["state"] == state
    assert shop.nself("backups", "show", shop.id, "--json").code == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_none_of_these_is_restored(shop: BackedUp, damage: str) -> None:
    DAMAGES[damage][0](shop.folder)
    result = shop.restore("--json")
    assert result.code == 1
    assert (result.json()["error"]["database"], shop.databases()) == ("unchanged", [shop.name])


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("restore",),
        ("list", "20260101-000000"),
        ("mend",),
        ("verify", "--files"),
        ("restore", "x", "--into", "a", "--replace", "b"),
        ("restore", "x", "--files", "--disconnect"),
        ("restore", "x", "--drop-old", "--files"),
    ],
    ids=" ".join,
)
def test_what_means_nothing_together_is_a_usage_error(
    nself_offline: Nself, arguments: tuple[str, ...]
) -> None:
    result = nself_offline("backups", *arguments, "--json")
    assert (result.code, result.json()["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize("name", ["20260101-000000", "..", ".hidden", "a/b", ""])
@pytest.mark.parametrize("action", ["show", "verify", "restore"])
def test_an_id_that_there_is_not_is_refused(nself_offline: Nself, action: str, name: str) -> None:
    result = nself_offline("backups", action, name, "--json")
    if action == "verify" and not name:
        return
    assert result.code == 1
    assert "there is no backup" in result.json()["error"]["message"]


def test_every_path_that_is_printed_is_there_from_the_folder_around_the_project(
    tmp_path: Path, database: str
) -> None:
    inner = Project(tmp_path / "shop" / "backend")
    for name, text in {"docker-compose.yml": COMPOSE, "migrations/1_a.sql": "SELECT 1;"}.items():
        inner.write(name, text)
    inner.write(".env", "PROJECT_NAME=shop\n")
    around = inner.root.parent
    nself = Nself(around, {"DATABASE_URL": database})
    done = nself("run")
    said = re.findall(r"\S*\.nself/backup/[\d-]+", done.out + done.err)
    assert len(said) > 1, done.err
    assert all((around / path).is_dir() for path in said), said
    shown, backup = said[0], Path(said[0]).name
    assert nself("backups", "show", backup, "--json").json()["path"] == shown
    (around / shown / "database.dump").unlink()
    wrong = nself("backups", "verify", backup, "--json").json()["error"]["problems"]
    assert [problem["path"] for problem in wrong] == [f"{shown}/database.dump"]
    nself.close()
