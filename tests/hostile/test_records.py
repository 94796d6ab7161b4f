"""What lies in `.nself/` is read as if a stranger had written it: a clone may bring it along."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import v1_projects
from hostile import contents, every_command, in_words
from servers_for_tests import Nself, Project

EVIL = b"#!/bin/sh\ntouch pwned\n"
SHA = hashlib.sha256(EVIL).hexdigest()
PATHS = [
    "../outside/notes",
    "a/../../outside/notes",
    "/tmp/x/../nself-never",
    ".git/hooks/pre-push",
]
BAD = [*PATHS, "", ".", "a//b", "./a", "x\0y", 7, None, [".."], {"a": 1}]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "notes").write_text("mine\n")
    (tmp_path / "shop/.git/hooks").mkdir(parents=True)
    return v1_projects.write(tmp_path / "shop")


@pytest.fixture
def nself(shop: Path) -> Nself:
    return Nself(shop, {})


def intent(path: Any, **more: Any) -> dict[str, Any]:
    entry = {"path": path, "before": None, "after": SHA, "mode": 0o755, **more.pop("entry", {})}
    about = {"run_id": "r", "era": "v1", "environment": "dev", "target": ""}
    return {**about, "backup": "20260101-000000", "entries": [entry], **more}


def write_intent(shop: Path, given: object, staged: str = "") -> None:
    folder = shop / ".nself/migrate"
    folder.mkdir(parents=True, exist_ok=True)
    text = given if isinstance(given, str) else json.dumps(given)
    (folder / "intent.json").write_text(text)
    if staged:
        place = Path(os.path.normpath(folder / "staged" / staged))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(EVIL)


def manifest(**more: Any) -> dict[str, Any]:
    about = {"timestamp": "20260101-000000", "project_dir": "/x", "era": "v1"}
    return {**about, "reason": "before `nself migrate run`", "files": [], **more}


def write_manifest(shop: Path, given: object, saved: str = "") -> None:
    folder = shop / ".nself/backup/20260101-000000"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(given if isinstance(given, str) else json.dumps(given))
    if saved:
        (folder / saved).write_bytes(EVIL)


def unchanged(shop: Path, before: dict[str, object]) -> None:
    """Nothing but our own folders is another one than before."""
    now = contents(shop.parent)
    ours = (str(shop / ".nself"), str(shop / "nothing"))
    others = {name: now.get(name) for name in {*now, *before} if not name.startswith(ours)}
    assert {k: v for k, v in others.items() if v and v[2]} == {  # type: ignore[index]
        k: v
        for k, v in before.items()
        if not k.startswith(ours) and v[2]  # type: ignore[index]
    }


@pytest.mark.parametrize("path", BAD, ids=repr)
def test_an_intent_with_a_path_that_is_no_file_of_the_project_is_refused(
    shop: Path, nself: Nself, path: Any
) -> None:
    write_intent(shop, intent(path), staged=path if path in PATHS[:1] else "")
    before = contents(shop.parent)
    result = in_words(nself("run", "--files-only"), 1)
    assert "unfinished upgrade" in result.err
    in_words(nself("rollback", "--files"), 1)
    unchanged(shop, before)


@pytest.mark.parametrize(
    "given",
    [
        "[]",
        "null",
        "1" * 5000,
        "[" * 100_000,
        '{"entries": 7}',
        '{"entries": [[]]}',
        json.dumps(intent("a", backup="../..")),
        json.dumps(intent("a", backup=7)),
        json.dumps(intent("a", entry={"mode": "0644"})),
        json.dumps(intent("a", entry={"after": "x"})),
        json.dumps({**intent("a"), "__proto__": {}}),
    ],
    ids=lambda given: given[:40],
)
def test_an_intent_of_another_shape_is_refused_in_words(
    shop: Path, nself: Nself, given: str
) -> None:
    write_intent(shop, given)
    before = contents(shop.parent)
    in_words(nself("run", "--files-only"), 1)
    in_words(nself("detect"))
    unchanged(shop, before)


@pytest.mark.parametrize(
    "more",
    [
        *({"files": [{"source": p, "dest": "a", "sha256": SHA, "mode": 420}]} for p in BAD),
        *({"files": [{"source": "a", "dest": p, "sha256": SHA, "mode": 420}]} for p in PATHS),
        *({"created": [p]} for p in PATHS),
        {"created": ["nothing/x"], "created_folders": ["../outside"]},
        {
            "files": [
                {
                    "source": "../outside/notes",
                    "dest": "a",
                    "sha256": SHA,
                    "mode": 420,
                    "symlink": "../shop/.env",
                }
            ]
        },
        {"timestamp": "../20260101-000000"},
        {"files": 7},
        {"files": [7]},
        {"files": [{}]},
        {"files": [{"source": "a", "dest": "a"}]},
        {"files": [{"source": "a", "dest": "a", "sha256": SHA, "mode": "x"}]},
        {"created": "abc"},
        {"after": 7},
    ],
    ids=lambda more: json.dumps(more)[:70],
)
def test_a_backup_whose_manifest_leads_out_of_the_project_is_refused(
    shop: Path, nself: Nself, more: dict[str, Any]
) -> None:
    write_manifest(shop, manifest(**more), saved="a")
    before = contents(shop.parent)
    in_words(nself("rollback", "--files", "--force-files", "--backup", "20260101-000000"), 1)
    unchanged(shop, before)


def test_a_backup_that_is_sound_is_put_back(shop: Path, nself: Nself) -> None:
    files = [{"source": "a/b c", "dest": "a", "sha256": SHA, "mode": 0o600}]
    write_manifest(shop, manifest(files=files, created=["nginx/sites/own.conf"]), saved="a")
    result = nself("rollback", "--files", "--force-files", "--backup", "20260101-000000")
    in_words(result, 0)
    assert (shop / "a/b c").read_bytes() == EVIL
    assert not (shop / "nginx/sites/own.conf").exists()


def test_a_file_behind_a_link_out_of_the_project_is_not_put_back(shop: Path, nself: Nself) -> None:
    (shop / "a").symlink_to("../outside")
    files = [{"source": "a/notes", "dest": "a", "sha256": SHA, "mode": 0o600}]
    write_manifest(shop, manifest(files=files), saved="a")
    result = nself("rollback", "--files", "--force-files", "--backup", "20260101-000000")
    assert "leads out of the project" in in_words(result, 1).err
    assert (shop.parent / "outside/notes").read_text() == "mine\n"


CLAIM = {"run_id": "a", "goal": "run", "identity": "b", "backup": "c"}
NAMES = ["intent.json", "state.json", "unfinished.json", "journal-files.jsonl", "lock"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sort", ["pipe", "zeros", "folder"])
def test_a_record_that_is_no_file_stops_nothing_for_ever(
    shop: Path, nself: Nself, name: str, sort: str
) -> None:
    place = shop / ".nself/migrate" / name
    place.parent.mkdir()
    if sort == "pipe":
        os.mkfifo(place)
    elif sort == "zeros":
        place.symlink_to("/dev/zero")
    else:
        place.mkdir()
    for arguments in (["detect"], ["run", "--files-only"], ["rollback", "--files"]):
        in_words(nself(*arguments, seconds=30))


@pytest.mark.postgres
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"task": "migrate:apply:1", "record": {"result:": [[]], "_values_:": 7, "deps:": 9}}',
        '{"task": "migrate:record", "record": 7}\n{"task": [], "record": {}}\n\xff',
        json.dumps({**CLAIM, "identity": 2, "backup": "../..", "taken_at": "x", "next_xid": []}),
        json.dumps({**CLAIM, "taken_at": float("inf"), "next_xid": float("inf")}),
    ],
    ids=lambda text: text[:30],
)
def test_journal_and_claim_of_a_stranger_change_nothing_of_a_run(
    project: Project, database: str, text: str
) -> None:
    nself = Nself(project.root, {"DATABASE_URL": database})
    project.migration("1", "a", "CREATE TABLE a (i int);")
    in_words(nself("run", "--skip-backup"), 0)
    folder = project.root / ".nself/migrate"
    [journal] = folder.glob("journal*")
    journal.write_text(text)
    (folder / "unfinished.json").write_text(text)
    project.migration("2", "b", "CREATE TABLE b (i int);")
    in_words(nself("run", "--dry-run"), 0)
    in_words(nself("run", "--skip-backup"), 0)
    assert nself("status", "--strict").code == 0
    every_command(nself)
