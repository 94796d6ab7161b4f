"""`run` on a v1 project: what it writes is what it showed, and nothing else."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import v1_projects
from observation import violations
from servers_for_tests import Nself
from v1_projects import tree

from nself_tasks.discovery import Project
from nself_tasks.file_lock import file_lock

SITE = "nginx/sites/hasura.conf"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return v1_projects.write(tmp_path / "shop")


@pytest.fixture
def nself(shop: Path) -> Nself:
    """The command in the v1 project, with a home folder that is empty."""
    home = shop.parent / "home"
    home.mkdir()
    return Nself(shop, {"HOME": str(home)})


def backup_of(shop: Path) -> Path:
    [folder] = [path.parent for path in shop.glob(".nself/backup/*/manifest.json")]
    return folder


# --- what it does ---


def test_a_value_that_v1_had_from_the_process_is_warned_of(nself: Nself, shop: Path) -> None:
    with (shop / ".env.prod").open("a") as file:
        file.write("DATABASE_PASSWORD=${PROD_DB_PASSWORD}\n")
    for flags in (("--dry-run",), ()):
        said = nself("run", "--files-only", *flags).err
        assert "warning: .env.prod: DATABASE_PASSWORD refers to what no env file says" in said


def test_a_v1_project_becomes_a_v2_one(nself: Nself) -> None:
    assert nself("run", "--files-only").code == 0
    assert nself("detect", "--strict").code == 0


def test_a_second_run_changes_nothing(nself: Nself, shop: Path) -> None:
    nself("run", "--files-only")
    before = tree(shop)
    second = nself("run", "--files-only")
    assert (second.code, second.out) == (0, "nothing to upgrade: the files are v2 or not ours\n")
    assert tree(shop) == before
    assert len(list(shop.glob(".nself/backup/*/manifest.json"))) == 1


def test_the_files_as_they_were_are_in_the_backup(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    result = nself("run", "--files-only", "--json").json()
    folder = backup_of(shop)
    assert result["files_backup"] == folder.name
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in manifest["files"]:
        copy = folder / entry["dest"]
        assert (entry["mode"], copy.read_bytes()) == before[entry["source"]]
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_the_record_says_what_was_upgraded_from_what_and_with_which_backup(
    nself: Nself, shop: Path
) -> None:
    result = nself("run", "--files-only", "--json").json()
    state = json.loads((shop / ".nself/migrate/state.json").read_text())
    assert (state["era"], state["backup"]) == ("v1", backup_of(shop).name)
    assert (state["files"], state["run_id"]) == (result["files"], result["run_id"])


def test_without_a_migrations_folder_no_database_is_asked(nself: Nself) -> None:
    result = nself("run")
    assert result.code == 0, result.err
    plan = nself("run", "--dry-run", "--json").json()
    assert (plan["target"], plan["target_source"]) == ("none", "not asked")


def test_the_permissions_and_the_owner_of_a_file_stay(nself: Nself, shop: Path) -> None:
    (shop / SITE).chmod(0o640)
    nself("run", "--files-only")
    assert stat.S_IMODE((shop / SITE).stat().st_mode) == 0o640


def test_a_link_inside_the_project_stays_a_link(nself: Nself, shop: Path) -> None:
    (shop / "shared").mkdir()
    (shop / SITE).rename(shop / "shared/hasura.conf")
    (shop / SITE).symlink_to("../../shared/hasura.conf")
    nself("run", "--files-only")
    assert (shop / SITE).is_symlink()
    assert nself("detect", "--strict").code == 0


def test_nothing_of_ours_is_staged_for_git(nself: Nself, shop: Path) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q"], cwd=shop, check=True)
    nself("run", "--files-only")
    subprocess.run(["git", "add", "-A"], cwd=shop, check=True)
    staged = subprocess.run(
        ["git", "ls-files"], cwd=shop, check=True, capture_output=True, text=True
    ).stdout
    assert [name for name in staged.splitlines() if name.startswith(".nself/")] == []


def test_of_two_runs_at_once_one_upgrades_and_the_other_finds_it_done(
    nself: Nself, shop: Path
) -> None:
    runs = [nself.start("run", "--files-only", "--json") for _ in range(2)]
    ended = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ended
    counts = sorted(len(json.loads(out)["files"]) for out, _ in ended)
    assert counts[0] == 0 < counts[1]
    assert len(list(shop.glob(".nself/backup/*/manifest.json"))) == 1
    assert nself("detect", "--strict").code == 0


def test_a_run_that_waited_upgrades_what_it_finds_then(nself: Nself, shop: Path) -> None:
    project = Project(shop, shop / "migrations")
    with file_lock(project):
        run = nself.start("run", "--files-only")
        assert run.stderr
        assert "waiting up to 30 s for the files" in run.stderr.readline()
        text = (shop / SITE).read_text() + "# added while it waited\n"
        (shop / SITE).write_text(text)
    _, err = run.communicate(timeout=60)
    assert (run.returncode, "the plan was made again" in err) == (0, True)
    assert (shop / SITE).read_text().endswith("# added while it waited\n")
    assert nself("detect", "--strict").code == 0


def test_a_run_that_does_not_get_the_lock_changes_nothing(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    with file_lock(Project(shop, shop / "migrations")):
        result = nself("run", "--files-only", "--lock-wait", "0.2")
    assert (result.code, f"process {os.getpid()}" in result.err) == (1, True)
    assert tree(shop) == before


# --- what it shows before ---


def test_a_plan_lists_every_step_and_changes_nothing(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    plan = nself("run", "--files-only", "--dry-run", "--json").json()
    stages = [step["stage"] for step in plan["steps"]]
    assert list(dict.fromkeys(stages)) == [
        "scan", "files-lock", "stage", "regenerate", "backup", "intent", "install", "record",
    ]  # fmt: skip
    assert tree(shop) == before
    assert not (shop / ".nself/migrate").exists()


def test_the_difference_shown_is_what_is_written(nself: Nself, shop: Path) -> None:
    shown = nself("run", "--files-only", "--dry-run", "--diff", "--json").json()["files"]
    before = tree(shop)
    nself("run", "--files-only")
    after = tree(shop)
    assert {file["path"] for file in shown} == {
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    }
    [site] = [file for file in shown if file["path"] == SITE]
    added = [line[1:] for line in site["diff"].splitlines()[2:] if line.startswith("+")]
    removed = [line[1:] for line in site["diff"].splitlines()[2:] if line.startswith("-")]
    lines = bytes(after[SITE][1]).decode().splitlines()  # type: ignore[arg-type]
    assert added
    assert all(line in lines for line in added)
    assert all(line in bytes(before[SITE][1]).decode().splitlines() for line in removed)  # type: ignore[arg-type]


def test_a_difference_hides_the_secrets_of_every_environment(nself: Nself, shop: Path) -> None:
    (shop / ".env.prod").write_text(v1_projects.PROD + "HASURA_ADMIN_SECRET=prod-secret-two\n")
    (shop / ".env").write_text(v1_projects.ENV.replace("HASURA_ADMIN_SECRET=dev-secret-one\n", ""))
    for arguments in (("--json",), ()):
        result = nself("run", "--files-only", "--dry-run", "--diff", *arguments)
        assert "secret-two" not in result.out + result.err
        assert "HASURA_GRAPHQL_ADMIN_SECRET" in result.out


@pytest.mark.parametrize("flags", [["--diff"], ["--files-only", "--schema-only"]])
def test_flags_that_mean_nothing_are_refused(nself: Nself, shop: Path, flags: list[str]) -> None:
    before = tree(shop)
    assert nself("run", *flags).code == 2
    assert tree(shop) == before


# --- what is left alone ---


def test_a_file_written_by_hand_stays_byte_for_byte(nself: Nself, shop: Path) -> None:
    before = tree(shop)["nginx/sites/own.conf"]
    nself("run", "--files-only")
    assert tree(shop)["nginx/sites/own.conf"] == before


def test_a_v2_project_is_left_alone_without_a_folder_of_ours(tmp_path: Path) -> None:
    root = v1_projects.write(
        tmp_path / "v2", {".env": "PROJECT_NAME=x\n", "docker-compose.yml": ""}
    )
    before = tree(root)
    assert Nself(root, {})("run", "--files-only").code == 0
    assert tree(root) == before
    assert not (root / ".nself").exists()


def test_schema_only_leaves_the_files_alone(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    assert nself("run", "--schema-only").code == 0
    assert tree(shop) == before


@pytest.mark.parametrize(
    "flags",
    [
        ["--only", "env"],
        ["--only", "compose"],
        ["--only", "nginx"],
        ["--skip", "env"],
        ["--skip", "compose"],
        ["--skip", "nginx"],
        ["--only", "leftovers"],
        ["--only", "env", "--only", "compose"],
        ["--skip", "nothing"],
    ],
)
def test_a_choice_that_parts_what_belongs_together_is_refused(
    nself: Nself, shop: Path, flags: list[str]
) -> None:
    before = tree(shop)
    for dry in ([], ["--dry-run"]):
        result = nself("run", "--files-only", *flags, *dry)
        assert result.code == 2
        assert "hint:" in result.err
    assert tree(shop) == before


def test_leftovers_can_be_left_for_later(nself: Nself, shop: Path) -> None:
    assert nself("run", "--files-only", "--skip", "leftovers").code == 0
    assert (shop / ".nself/build-version").read_text() == v1_projects.BUILD_VERSION
    assert nself("run", "--files-only").code == 0
    assert not (shop / ".nself/build-version").exists()


def test_a_kind_with_nothing_to_change_can_be_chosen_alone(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    assert nself("run", "--files-only", "--only", "plugin").code == 0
    assert tree(shop) == before


def test_a_link_out_of_the_project_is_not_followed(nself: Nself, shop: Path) -> None:
    outside = shop.parent / "hasura.conf"
    (shop / SITE).rename(outside)
    (shop / SITE).symlink_to("../../../hasura.conf")
    text = outside.read_bytes()
    nself("run", "--files-only")
    assert outside.read_bytes() == text


# --- going back ---


def test_the_project_comes_back_as_it_was(nself: Nself, shop: Path) -> None:
    (shop / SITE).chmod(0o604)
    before = tree(shop)
    nself("run", "--files-only")
    assert tree(shop) != before
    result = nself("rollback", "--files")
    assert result.code == 0, result.err
    assert tree(shop) == before
    assert not (shop / ".nself/migrate/state.json").exists()


def test_a_file_changed_since_the_upgrade_stops_the_rollback_and_is_named(
    nself: Nself, shop: Path
) -> None:
    nself("run", "--files-only")
    (shop / SITE).write_text("# mine\n")
    before = tree(shop)
    result = nself("rollback", "--files")
    assert (result.code, SITE in result.err, "--force-files" in result.err) == (1, True, True)
    assert tree(shop) == before


def test_a_forced_rollback_backs_up_what_it_replaces(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    nself("run", "--files-only")
    (shop / SITE).write_text("# mine\n")
    result = nself("rollback", "--files", "--force-files", "--json").json()
    assert tree(shop) == before
    kept = shop / ".nself/backup" / result["backup_of_today"] / SITE
    assert kept.read_text() == "# mine\n"


def test_the_rollback_of_files_is_shown_before(nself: Nself, shop: Path) -> None:
    nself("run", "--files-only")
    before = tree(shop)
    plan = nself("rollback", "--files", "--dry-run")
    assert (plan.code, f"migrate:restore:{SITE}" in plan.out) == (0, True)
    assert tree(shop) == before


def test_backups_are_listed_and_can_be_chosen(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    first = nself("run", "--files-only", "--json").json()["files_backup"]
    assert first in nself("rollback", "--list").out
    assert nself("rollback", "--files", "--backup", first).code == 0
    assert tree(shop) == before
    assert nself("rollback", "--files", "--backup", "20200101-000000").code == 1


def test_without_an_upgrade_there_is_nothing_to_put_back(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    result = nself("rollback", "--files")
    assert (result.code, "hint:" in result.err) == (1, True)
    assert tree(shop) == before


def test_what_each_command_says_has_its_documented_shape(nself: Nself) -> None:
    said = {
        "plan": nself("run", "--files-only", "--dry-run", "--diff", "--json").json(),
        "detect": nself("detect", "--json").json(),
        "run": nself("run", "--files-only", "--json").json(),
        "backups": nself("rollback", "--list", "--json").json(),
    }
    said["plan of a rollback"] = nself("rollback", "--files", "--dry-run", "--json").json()
    said["files-rollback"] = nself("rollback", "--files", "--json").json()
    for name, document in said.items():
        schema = "plan" if name.startswith("plan") else name
        assert violations(document, schema) == [], name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can upgrade another user's project")
def test_what_root_makes_in_another_users_project_is_that_users(nself: Nself, shop: Path) -> None:
    for path in (shop, *shop.rglob("*")):
        os.chown(path, 65534, 65534)
    assert nself("run", "--files-only").code == 0
    assert {path.stat().st_uid for path in (shop, *shop.rglob("*"))} == {65534}
    assert nself("rollback", "--files").code == 0
    assert {path.stat().st_uid for path in (shop, *shop.rglob("*"))} == {65534}


def test_every_value_of_a_file_for_secrets_is_hidden_in_a_difference(
    nself: Nself, shop: Path
) -> None:
    (shop / ".env.secrets").write_text(
        "PLAIN_NAME=hidden-by-its-file\nHASURA_ADMIN_SECRET=abcdefg\n"
    )
    (shop / ".env").write_text(
        v1_projects.ENV + "STRIPE_SK=sk-hidden-by-name\nDB_PW=pw-hidden-too\n"
    )
    for arguments in ((), ("--json",)):
        out = nself("run", "--files-only", "--dry-run", "--diff", *arguments).out
        assert [w for w in ("hidden-by-its", "sk-hidden", "pw-hidden", "abcdefg") if w in out] == []


def test_a_damaged_copy_stops_a_rollback_before_its_first_file(nself: Nself, shop: Path) -> None:
    nself("run", "--files-only")
    upgraded = tree(shop)
    with (backup_of(shop) / "docker-compose.yml").open("a") as file:
        file.write("junk")
    result = nself("rollback", "--files")
    assert (result.code, "`docker-compose.yml`" in result.err) == (1, True)
    assert tree(shop) == upgraded


@pytest.mark.parametrize("name", ["", "../..", ".", "20990101-000000"])
def test_a_backup_that_there_is_not_is_refused(nself: Nself, shop: Path, name: str) -> None:
    nself("run", "--files-only")
    upgraded = tree(shop)
    result = nself("rollback", "--files", "--backup", name)
    assert (result.code, "there is no backup" in result.err) == (1, True)
    assert tree(shop) == upgraded


def test_a_second_rollback_says_that_there_is_nothing_to_put_back(nself: Nself, shop: Path) -> None:
    nself("run", "--files-only")
    nself("rollback", "--files")
    assert "nothing to put back" in nself("rollback", "--files").out


def test_a_closed_folder_on_the_path_is_passed_by(nself: Nself, shop: Path) -> None:
    # Root may read every folder: a file in the place of the folder is closed to root as well.
    closed = shop.parent / "closed"
    closed.write_text("")
    path = f"{closed}{os.pathsep}{os.environ['PATH']}"
    assert nself("run", "--files-only", environment={"PATH": path}).code == 0
