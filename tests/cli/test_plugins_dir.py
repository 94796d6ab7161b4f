"""`--plugins-dir`: a folder of plugins is upgraded and put back alone, as safely as a project."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import plugins_for_tests as plugins
import pytest
import v1_projects
from observation import violations
from servers_for_tests import Nself, Result
from v1_projects import tree

KILLED_AT_A_RENAME = """
import os, signal, sys
left = int(sys.argv.pop(1))
def hook(event, arguments):
    global left
    if event == "os.rename":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
from nself_tasks.cli import main
sys.addaudithook(hook)
sys.exit(main(sys.argv[1:]))
"""
"""The command, killed by the system before one of its renames: every step ends with one."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two plugins in v1, one in v2, one of somebody else's, and what is no plugin."""
    root = tmp_path / "plugins of mine"
    plugins.write(root, "mail", plugins.manifest(name="mail"))
    plugins.write(root, "shop", plugins.V1.replace("\n", "\r\n"), file="manifest.json")
    plugins.write(root, "nginx", plugins.V2)
    plugins.write(
        root, "browser", '{"manifest_version": 3, "name": "tabs"}\n', file="manifest.json"
    )
    (root / "mail" / "docker-compose.plugin.yml").write_text("services: {}\n")
    (root / "shop" / "manifest.json").chmod(0o640)
    return root


@pytest.fixture
def nself(tmp_path: Path) -> Nself:
    """The command far away from any project, with nothing of a database configured."""
    (tmp_path / "here").mkdir()
    return Nself(tmp_path / "here", {})


def layouts(nself: Nself, folder: Path) -> dict[str, str]:
    """What `detect` says of each artifact."""
    rows = nself("detect", "--plugins-dir", str(folder), "--json").json()["artifacts"]
    return {row["artifact"]: row["status"] for row in rows}


def manifest_versions(folder: Path) -> list[int | None]:
    paths = (folder / "mail/plugin.json", folder / "shop/manifest.json")
    return [json.loads(path.read_text()).get("manifest_version") for path in paths]


# --- detect ---


def test_detect_looks_at_the_manifests_in_the_folder_and_at_nothing_else(
    nself: Nself, folder: Path
) -> None:
    (folder / "compose").mkdir()
    (folder / "compose/docker-compose.yml").write_text("version: '3.8'\n")
    plugins.write(folder / "mail", "deeper")
    plugins.write(folder, ".hidden")
    assert layouts(nself, folder) == {
        "browser/manifest.json": "keep",
        "mail/plugin.json": "migrate",
        "nginx/plugin.json": "ok",
        "shop/manifest.json": "migrate",
    }


def test_detect_strict_ends_with_3_until_all_is_v2(nself: Nself, folder: Path) -> None:
    assert nself("detect", "--strict", "--plugins-dir", str(folder)).code == 3
    nself("run", "--plugins-dir", str(folder))
    assert nself("detect", "--strict", "--plugins-dir", str(folder)).code == 0


def test_its_json_has_the_documented_shapes(nself: Nself, folder: Path) -> None:
    named = ("--plugins-dir", str(folder), "--json")
    found = nself("detect", *named).json()
    assert violations(found, "detect") == []
    assert (found["layout"], found["plugins_dir"]) == ("v1", str(folder))
    assert violations(nself("run", *named, "--dry-run", "--diff").json(), "plan") == []
    assert violations(nself("run", *named).json(), "run") == []


def test_the_home_folders_plugins_are_not_told_of_beside_it(nself: Nself, folder: Path) -> None:
    plugins.write(folder.parent / "home/.nself/plugins", "other")
    home = {"HOME": str(folder.parent / "home")}
    assert "~" not in nself("detect", "--plugins-dir", str(folder), environment=home).out


# --- run and rollback ---


def test_run_makes_v2_manifests_of_the_v1_ones_and_touches_no_other_file(
    nself: Nself, folder: Path
) -> None:
    before = tree(folder)
    result = nself("run", "--plugins-dir", str(folder))
    after = tree(folder)
    assert result.code == 0, result.err
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {"mail/plugin.json", "shop/manifest.json"}
    assert after.keys() == before.keys()
    assert manifest_versions(folder) == [2, 2]
    assert after["shop/manifest.json"][0] == 0o640
    assert b"\r\n" in (folder / "shop/manifest.json").read_bytes()


def test_backup_and_state_lie_in_the_folder_itself(nself: Nself, folder: Path) -> None:
    nself("run", "--plugins-dir", str(folder))
    [manifest] = folder.glob(".nself/backup/*/manifest.json")
    files = [entry["source"] for entry in json.loads(manifest.read_text())["files"]]
    assert files == ["mail/plugin.json", "shop/manifest.json"]
    state = json.loads((folder / ".nself/migrate/state.json").read_text())
    assert state["era"] == "v1"
    assert state["files"] == files
    assert list(nself.root.iterdir()) == []


def test_a_second_run_changes_nothing(nself: Nself, folder: Path) -> None:
    nself("run", "--plugins-dir", str(folder))
    before = tree(folder)
    assert nself("run", "--plugins-dir", str(folder)).code == 0
    assert tree(folder) == before
    assert len(list(folder.glob(".nself/backup/*/manifest.json"))) == 1


def test_a_dry_run_writes_nothing(nself: Nself, folder: Path) -> None:
    result = nself("run", "--plugins-dir", str(folder), "--dry-run", "--diff")
    assert "migrate:install:mail/plugin.json" in result.out
    assert '+  "manifest_version": 2,' in result.out
    assert not (folder / ".nself").exists()


def test_rollback_gives_the_folder_back_byte_for_byte(nself: Nself, folder: Path) -> None:
    before = tree(folder)
    said = nself("run", "--plugins-dir", str(folder)).out
    assert f"nself migrate rollback --files --plugins-dir '{folder}'" in said
    assert nself("rollback", "--files", "--plugins-dir", str(folder)).code == 0
    assert tree(folder) == before
    assert (
        "before `nself migrate run`"
        in nself("rollback", "--list", "--plugins-dir", str(folder)).out
    )


def test_rollback_stops_at_a_manifest_changed_since(nself: Nself, folder: Path) -> None:
    nself("run", "--plugins-dir", str(folder))
    (folder / "mail/plugin.json").write_text("{}")
    result = nself("rollback", "--files", "--plugins-dir", str(folder))
    assert (result.code, "mail/plugin.json" in result.err) == (1, True)
    assert (folder / "mail/plugin.json").read_text() == "{}"


def test_no_database_and_no_env_file_is_asked(nself: Nself, folder: Path) -> None:
    nowhere = {
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        "ENV": "nowhere",
        "NSELF_MIGRATIONS_DIR": "/no/where",
    }
    os.mkfifo(folder / ".env.dev")
    plugins.write(folder, "migrations", plugins.V2)
    (folder / "migrations/1_a.sql").write_text("no SQL")
    result = nself("run", "--plugins-dir", str(folder), environment=nowhere, seconds=20)
    assert result.code == 0, result.err
    assert manifest_versions(folder) == [2, 2]


def test_a_manifest_for_a_person_is_left_and_the_others_are_upgraded(
    nself: Nself, folder: Path
) -> None:
    broken = plugins.write(folder, "broken", '{"name": \n}')
    assert nself("run", "--plugins-dir", str(folder)).code == 0
    assert broken.read_text() == '{"name": \n}'
    assert layouts(nself, folder)["broken/plugin.json"] == "manual"
    assert manifest_versions(folder) == [2, 2]


def test_a_folder_called_as_those_inside_of_a_repository_is_its_own(
    nself: Nself, tmp_path: Path
) -> None:
    plugins.write(tmp_path / "backend", "mail")
    assert layouts(nself, tmp_path / "backend") == {"mail/plugin.json": "migrate"}


# --- crashes and two at once ---


def killed(nself: Nself, folder: Path, renames: int) -> int:
    """Run, killed after so many renames; gives the exit code."""
    command = [sys.executable, "-c", KILLED_AT_A_RENAME, str(renames)]
    ended = subprocess.run(
        [*command, "migrate", "run", "--plugins-dir", str(folder)],
        cwd=nself.root,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return ended.returncode


def test_a_run_killed_anywhere_is_finished_or_put_back_whole(nself: Nself, folder: Path) -> None:
    before, mixtures = tree(folder), 0
    for renames in range(30):
        code = killed(nself, folder, renames)
        if code != -signal.SIGKILL:
            break
        mixtures += manifest_versions(folder) in ([None, 2], [2, None])
        assert nself("detect", "--strict", "--plugins-dir", str(folder)).code == 3
        if renames % 2:
            finished = nself("run", "--plugins-dir", str(folder))
            assert (finished.code, manifest_versions(folder)) == (0, [2, 2]), finished.err
            assert not (folder / ".nself/migrate/intent.json").exists()
        # Where nothing was begun there may be no backup, and nothing to put back.
        nself("rollback", "--files", "--plugins-dir", str(folder))
        assert tree(folder) == before
    assert code == 0
    assert renames > 5
    assert mixtures


def test_an_unfinished_upgrade_is_told_with_the_commands_that_end_it(
    nself: Nself, folder: Path
) -> None:
    (folder / ".nself/migrate").mkdir(parents=True)
    intent = {"run_id": "", "era": "v1", "environment": "", "target": "", "backup": "none"}
    (folder / ".nself/migrate/intent.json").write_text(json.dumps({**intent, "entries": []}))
    said = nself("detect", "--plugins-dir", str(folder)).out
    assert f"`nself migrate run --plugins-dir '{folder}'` finishes it" in said


def test_two_runs_at_once_upgrade_it_once(nself: Nself, folder: Path) -> None:
    running = [nself.start("run", "--plugins-dir", str(folder)) for _ in range(2)]
    ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    assert manifest_versions(folder) == [2, 2]
    assert len(list(folder.glob(".nself/backup/*/manifest.json"))) == 1


# --- links ---


def test_a_link_to_a_folder_of_plugins_may_be_named(nself: Nself, folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert nself("run", "--plugins-dir", str(link)).code == 0
    assert manifest_versions(folder) == [2, 2]
    assert link.is_symlink()


@pytest.mark.parametrize("linked", ["plugin.json", "."])
def test_a_manifest_outside_of_the_folder_is_not_followed(
    nself: Nself, folder: Path, linked: str
) -> None:
    outside = plugins.write(folder.parent / "elsewhere", "mine")
    inside = folder / "mine" / linked
    inside.parent.mkdir(exist_ok=True) if linked != "." else None
    inside.symlink_to(outside if linked != "." else outside.parent)
    assert layouts(nself, folder)["mine/plugin.json"] == "manual"
    assert nself("run", "--plugins-dir", str(folder)).code == 0
    assert outside.read_text() == plugins.V1


def test_a_link_inside_of_the_folder_is_followed_and_stays_one(nself: Nself, folder: Path) -> None:
    shared = folder / "shared.json"
    (folder / "mail/plugin.json").rename(shared)
    (folder / "mail/plugin.json").symlink_to("../shared.json")
    nself("run", "--plugins-dir", str(folder))
    assert (folder / "mail/plugin.json").is_symlink()
    assert json.loads(shared.read_text())["manifest_version"] == 2


# --- folders that are refused, or hold nothing ---


def refused(result: Result, *words: str) -> bool:
    return result.code == 2 and all(word in result.err for word in words)


@pytest.mark.parametrize("command", [("detect",), ("run",), ("rollback", "--files")])
def test_what_is_no_folder_is_refused(nself: Nself, tmp_path: Path, command: tuple[str]) -> None:
    (tmp_path / "file").touch()
    assert refused(nself(*command, "--plugins-dir", ""), "is empty")
    assert refused(nself(*command, "--plugins-dir", "no/where"), "does not exist")
    assert refused(nself(*command, "--plugins-dir", str(tmp_path / "file")), "is no folder")


@pytest.mark.parametrize("command", ["detect", "run"])
def test_a_folder_without_manifests_is_said_to_have_none_and_stays_empty(
    nself: Nself, tmp_path: Path, command: str
) -> None:
    (tmp_path / "empty/mail").mkdir(parents=True)
    result = nself(command, "--plugins-dir", str(tmp_path / "empty"))
    assert result.code == 0
    assert "plugin manifests" in result.out
    assert str(tmp_path / "empty") in result.out
    assert [path.name for path in (tmp_path / "empty").rglob("*")] == ["mail"]


def test_a_project_is_no_folder_of_plugins(nself: Nself, tmp_path: Path) -> None:
    shop = v1_projects.write(tmp_path / "shop")
    plugins.write(shop, "mail")
    before = tree(shop)
    assert refused(nself("run", "--plugins-dir", str(shop)), "it is a project", "--project")
    assert tree(shop) == before


@pytest.mark.parametrize("place", ["plugins", ".nself/plugins"])
def test_the_plugins_of_a_project_are_upgraded_with_it(
    nself: Nself, tmp_path: Path, place: str
) -> None:
    shop = v1_projects.write(tmp_path / "shop")
    manifest = plugins.write(shop / place, "mail")
    result = nself("run", "--plugins-dir", str(shop / place))
    assert refused(result, "belong to the project", f"--project {shop}")
    assert manifest.read_text() == plugins.V1


def test_the_shared_plugins_of_a_home_folder_that_is_a_project_are_not_its_own(
    tmp_path: Path,
) -> None:
    home = v1_projects.write(tmp_path / "home")
    manifest = plugins.write(home / ".nself/plugins", "mail")
    nself = Nself(home, {"HOME": str(home)})
    assert nself("run", "--files-only").code == 0
    assert manifest.read_text() == plugins.V1
    assert nself("run", "--plugins-dir", str(home / ".nself/plugins")).code == 0
    assert manifest.read_text() != plugins.V1


@pytest.mark.parametrize("place", ["backup/20261123-101500/plugins", "migrate/staged/plugins"])
def test_copies_in_our_own_records_are_not_upgraded(
    nself: Nself, tmp_path: Path, place: str
) -> None:
    copy = plugins.write(tmp_path / "shop/.nself" / place, "mail")
    result = nself("run", "--plugins-dir", str(copy.parent.parent))
    assert refused(result, "inside of nself's own records")
    link = tmp_path / "link"
    link.symlink_to(copy.parent.parent)
    assert refused(nself("run", "--plugins-dir", str(link)), "inside of nself's own records")
    assert copy.read_text() == plugins.V1


def test_a_folder_where_anybody_may_write_is_refused(nself: Nself, folder: Path) -> None:
    folder.chmod(0o1777)
    assert refused(nself("run", "--plugins-dir", str(folder)), "anybody may write to it")


@pytest.mark.parametrize(
    "flags",
    [
        ("detect", "--project", "."),
        ("detect", "--env", "dev"),
        ("run", "--migrations-dir", "."),
        ("run", "--database-url", "embedded"),
        ("run", "--schema-only"),
        ("run", "--to", "7"),
        ("run", "--only", "plugin"),
        ("run", "--skip", "env"),
        ("run", "--atomic"),
        ("run", "--skip-backup"),
        ("rollback",),
        ("rollback", "--files", "--steps", "2"),
    ],
    ids=" ".join,
)
def test_a_flag_about_a_project_does_not_go_with_it(
    nself: Nself, folder: Path, flags: tuple[str, ...]
) -> None:
    before = tree(folder)
    assert refused(nself(*flags, "--plugins-dir", str(folder)), "--plugins-dir")
    assert tree(folder) == before
