"""Which folder is the project, what is read from it, and how it is written to."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from nself_tasks.discovery import Project
from nself_tasks.errors import InputError, LockNotAcquired, NselfError, UsageError
from nself_tasks.evidence import project_era
from nself_tasks.project import (
    ensure_private,
    file_lock,
    find_project,
    read_migration_files,
    read_small,
    state_dir,
    with_migrations,
    write_new,
)


def tree(root: Path, *names: str) -> Path:
    """Make empty files, and folders where a name ends in a slash."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def found(start: Path, *, home: Path | None = None) -> Path:
    return find_project(start, None, home=home).root


# --- finding ---


@pytest.mark.parametrize("sign", [".env", ".env.dev", ".env.example", ".nself/"])
@pytest.mark.parametrize("compose", ["docker-compose.yml", "compose.yaml"])
def test_a_compose_file_with_a_sign_of_nself_is_a_project(
    tmp_path: Path, compose: str, sign: str
) -> None:
    assert found(tree(tmp_path, compose, sign)) == tmp_path


@pytest.mark.parametrize("inner", ["backend", ".backend"])
def test_the_project_may_be_an_inner_folder(tmp_path: Path, inner: str) -> None:
    tree(tmp_path, f"{inner}/docker-compose.yml", f"{inner}/.env")
    assert found(tmp_path) == tmp_path / inner


@pytest.mark.parametrize("below", ["src", "backend", "backend/migrations", "src/a/b"])
def test_it_is_found_from_below(tmp_path: Path, below: str) -> None:
    tree(tmp_path, "backend/docker-compose.yml", "backend/.env", f"{below}/")
    assert found(tmp_path / below) == tmp_path / "backend"


def test_the_folder_itself_comes_before_an_inner_one(tmp_path: Path) -> None:
    tree(tmp_path, "compose.yml", ".env", "backend/compose.yml", "backend/.env")
    assert found(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("names", "root"),
    [
        (["backend/migrations/"], "."),
        (["backend/migrations/", ".env"], "."),
        (["migrations/", ".env"], "."),
        (["migrations/", ".nself/"], "."),
        (["backend/migrations/", "backend/.env"], "backend"),
    ],
)
def test_a_folder_with_only_migrations_is_a_project(
    tmp_path: Path, names: list[str], root: str
) -> None:
    assert found(tree(tmp_path, *names)) == tmp_path / root


def test_a_full_project_above_comes_before_one_with_only_migrations(tmp_path: Path) -> None:
    tree(tmp_path, "docker-compose.yml", ".env", "backend/migrations/", "backend/.env")
    assert found(tmp_path / "backend") == tmp_path


def test_a_full_project_around_another_repository_is_not_taken(tmp_path: Path) -> None:
    tree(tmp_path, "docker-compose.yml", ".env", "mine/.git/", "mine/backend/migrations/")
    assert found(tmp_path / "mine") == tmp_path / "mine"


@pytest.mark.parametrize(
    "names",
    [
        [],
        [".env"],
        [".nself/"],
        ["docker-compose.yml"],
        ["migrations/"],
        ["docker-compose.yml", ".env/"],
        ["docker-compose.yml", ".envrc"],
        ["docker-compose.yml/", ".env"],
        ["backend/.env"],
        ["backend/docker-compose.yml"],
        ["other/docker-compose.yml", "other/.env"],
    ],
)
def test_is_no_project(tmp_path: Path, names: list[str]) -> None:
    tree(tmp_path, *names)
    with pytest.raises(UsageError, match="no ɳSelf project found"):
        find_project(tmp_path, None, home=tmp_path)


def test_two_inner_projects_are_not_chosen_between(tmp_path: Path) -> None:
    tree(tmp_path, "backend/compose.yml", "backend/.env", ".backend/compose.yml", ".backend/.env")
    with pytest.raises(UsageError) as raised:
        find_project(tmp_path, None)
    assert "--project" in (raised.value.hint or "")


def test_nothing_above_the_home_folder_is_taken(tmp_path: Path) -> None:
    tree(tmp_path, "docker-compose.yml", ".env", "home/ada/src/")
    with pytest.raises(UsageError):
        find_project(tmp_path / "home/ada/src", None, home=tmp_path / "home/ada")


def test_the_folder_of_the_cli_in_the_home_folder_makes_it_no_project(tmp_path: Path) -> None:
    tree(tmp_path, "docker-compose.yml", ".nself/", "src/")
    with pytest.raises(UsageError):
        find_project(tmp_path / "src", None, home=tmp_path)


def test_a_folder_above_where_anybody_may_write_is_not_taken(tmp_path: Path) -> None:
    tree(tmp_path, "docker-compose.yml", ".env", "mine/")
    tmp_path.chmod(0o1777)
    with pytest.raises(UsageError):
        find_project(tmp_path / "mine", None)


def test_the_current_folder_is_where_the_search_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree(tmp_path, "compose.yml", ".env"))
    assert find_project(None, None).root == tmp_path


# --- by name ---


@pytest.mark.parametrize("sign", [".env", "docker-compose.yml", ".nself/", "backend/migrations/"])
def test_a_named_folder_needs_one_sign_only(tmp_path: Path, sign: str) -> None:
    assert find_project(None, tree(tmp_path, sign)).root == tmp_path


def test_a_named_folder_may_hold_the_project_in_an_inner_one(tmp_path: Path) -> None:
    tree(tmp_path, ".env", "backend/compose.yml", "backend/.env")
    assert find_project(None, tmp_path).root == tmp_path / "backend"


def test_a_named_folder_is_not_searched_from_upwards(tmp_path: Path) -> None:
    tree(tmp_path, "compose.yml", ".env", "src/")
    with pytest.raises(UsageError, match="holds no ɳSelf project"):
        find_project(None, tmp_path / "src")


def test_a_named_folder_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        find_project(None, tmp_path / "no")


# --- the migrations folder and what people see ---


@pytest.mark.parametrize(
    ("names", "root", "migrations", "shown"),
    [
        (["compose.yml", ".env"], ".", "backend/migrations", "backend/migrations"),
        (["compose.yml", ".env", "migrations/"], ".", "migrations", "migrations"),
        (
            ["compose.yml", ".env", "migrations/", "backend/migrations/"],
            ".",
            "backend/migrations",
            "backend/migrations",
        ),
        (
            ["backend/compose.yml", "backend/.env"],
            "backend",
            "backend/migrations",
            "backend/migrations",
        ),
        (
            [".backend/compose.yml", ".backend/.env"],
            ".backend",
            ".backend/migrations",
            ".backend/migrations",
        ),
        (
            ["backend/compose.yml", "backend/.env", "backend/.git/"],
            "backend",
            "backend/migrations",
            "migrations",
        ),
    ],
)
def test_where_migrations_are(
    tmp_path: Path, names: list[str], root: str, migrations: str, shown: str
) -> None:
    project = find_project(tree(tmp_path, *names) / root, None)
    assert project.migrations_dir == tmp_path / migrations
    assert project.shown(project.migrations_dir) == PurePosixPath(shown)


def test_a_migrations_folder_that_was_named_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        with_migrations(Project(tmp_path, tmp_path / "x"), tmp_path / "no")


def test_a_file_is_no_migrations_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        with_migrations(Project(tmp_path, tmp_path / "x"), tree(tmp_path, "f") / "f")


def test_a_path_outside_the_project_is_shown_whole(tmp_path: Path) -> None:
    project = Project(tmp_path / "a", tmp_path / "b")
    assert project.shown(tmp_path / "b/c.sql") == PurePosixPath(tmp_path / "b/c.sql")


# --- reading migrations ---


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    tree(tmp_path, "shop/compose.yml", "shop/.env", "shop/backend/migrations/")
    return find_project(tmp_path / "shop", None)


def test_migrations_are_read_by_name(shop: Project) -> None:
    for name in ("2_b.sql", "1_a.sql", "1_a.down.sql"):
        (shop.migrations_dir / name).write_bytes(b"\xef\xbb\xbfSELECT 1;\r\n")
    paths = [str(path) for path, _ in read_migration_files(shop)]
    assert paths == [f"backend/migrations/{n}" for n in ("1_a.down.sql", "1_a.sql", "2_b.sql")]


def test_their_bytes_are_untouched(shop: Project) -> None:
    (shop.migrations_dir / "1_a.sql").write_bytes(b"\xef\xbb\xbfSELECT 1;\r\n\0")
    assert [raw for _, raw in read_migration_files(shop)] == [b"\xef\xbb\xbfSELECT 1;\r\n\0"]


def test_other_files_and_deeper_ones_are_no_migrations(shop: Project) -> None:
    tree(shop.migrations_dir, "README.md", "1_a.sql.orig", ".sql", "meta/2_b.sql")
    assert list(read_migration_files(shop)) == []


def test_a_missing_default_folder_holds_none(tmp_path: Path) -> None:
    project = find_project(tree(tmp_path, "compose.yml", ".env"), None)
    assert list(read_migration_files(project)) == []


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_a_problem_and_no_wait(shop: Project, make: object) -> None:
    make(shop.migrations_dir / "1_a.sql")  # type: ignore[operator]
    [(_, problem)] = read_migration_files(shop)
    assert isinstance(problem, OSError)


def test_a_link_to_nowhere_is_a_problem(shop: Project) -> None:
    (shop.migrations_dir / "1_a.sql").symlink_to("gone.sql")
    [(_, problem)] = read_migration_files(shop)
    assert isinstance(problem, FileNotFoundError)


def test_a_name_that_is_not_utf8_is_a_problem(shop: Project) -> None:
    Path(os.fsdecode(os.fsencode(shop.migrations_dir) + b"/1_\xff.sql")).touch()
    [(path, problem)] = read_migration_files(shop)
    assert isinstance(problem, OSError)
    assert str(path).encode()


def test_a_link_within_the_project_is_followed(shop: Project) -> None:
    (shop.root / "other.sql").write_bytes(b"SELECT 1;")
    (shop.migrations_dir / "1_a.sql").symlink_to(shop.root / "other.sql")
    assert [raw for _, raw in read_migration_files(shop)] == [b"SELECT 1;"]


def test_a_link_that_leaves_the_project_is_refused(shop: Project, tmp_path: Path) -> None:
    (shop.migrations_dir / "1_a.sql").symlink_to(tree(tmp_path, "secret.sql") / "secret.sql")
    with pytest.raises(InputError) as raised:
        list(read_migration_files(shop))
    assert [p.path for p in raised.value.problems] == ["backend/migrations/1_a.sql"]


def test_a_migrations_folder_that_leaves_the_project_is_refused(
    shop: Project, tmp_path: Path
) -> None:
    shop.migrations_dir.rmdir()
    shop.migrations_dir.symlink_to(tree(tmp_path, "elsewhere/1_a.sql") / "elsewhere")
    with pytest.raises(InputError):
        list(read_migration_files(shop))


def test_a_migrations_folder_that_was_named_may_lie_elsewhere(
    shop: Project, tmp_path: Path
) -> None:
    named = with_migrations(shop, tree(tmp_path, "elsewhere/1_a.sql") / "elsewhere")
    assert [raw for _, raw in read_migration_files(named)] == [b""]


# --- reading settings ---


@pytest.mark.parametrize("raw", [b"A=\0", b"#" * 1_000_001], ids=["NUL", "size"])
def test_no_configuration_file(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / ".env").write_bytes(raw)
    with pytest.raises(InputError):
        read_small(tmp_path / ".env")


def test_a_pipe_is_no_configuration_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(InputError):
        read_small(tmp_path / ".env")


def test_a_virtual_environment_called_env_is_nothing(tmp_path: Path) -> None:
    assert read_small(tree(tmp_path, ".env/") / ".env") is None


def test_an_empty_project_is_v2(shop: Project) -> None:
    assert project_era(shop) == "v2"


def test_a_build_version_of_v1_makes_the_project_v1(shop: Project) -> None:
    tree(shop.root, ".nself/")
    (shop.root / ".nself/build-version").write_text("0.9.8\n")
    assert project_era(shop) == "v1"


# --- writing ---


def test_our_folders_are_private(shop: Project) -> None:
    folder = ensure_private(state_dir(shop))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_bytes() == (folder / ".dockerignore").read_bytes() == b"*\n"


def test_a_folder_that_was_open_is_closed(shop: Project) -> None:
    state_dir(shop).mkdir(parents=True, mode=0o755)
    assert stat.S_IMODE(ensure_private(state_dir(shop)).stat().st_mode) == 0o700


def test_a_folder_that_is_a_link_is_left_alone(shop: Project, tmp_path: Path) -> None:
    elsewhere = tree(tmp_path, "elsewhere/") / "elsewhere"
    before = elsewhere.stat().st_mode
    (shop.root / ".nself").mkdir()
    state_dir(shop).symlink_to(elsewhere)
    with pytest.raises(NselfError):
        ensure_private(state_dir(shop))
    assert elsewhere.stat().st_mode == before
    assert not list(elsewhere.iterdir())


def test_a_file_where_our_folder_goes_is_said(shop: Project) -> None:
    (shop.root / ".nself").touch()
    with pytest.raises(NselfError, match="cannot prepare"):
        ensure_private(state_dir(shop))


def test_a_new_file_is_written_with_its_folder(tmp_path: Path) -> None:
    write_new(tmp_path / "a/b.sql", b"SELECT 1;")
    assert (tmp_path / "a/b.sql").read_bytes() == b"SELECT 1;"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.sql"]


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda p: p.symlink_to("gone")])
def test_what_is_there_is_never_overwritten(tmp_path: Path, make: object) -> None:
    path = tmp_path / "b.sql"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError, match="is there already"):
        write_new(path, b"new")
    assert path.is_symlink() or path.is_dir() or path.read_bytes() == b""
    assert [p.name for p in tmp_path.iterdir()] == ["b.sql"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no space is left"):
        write_new(tmp_path / "b.sql", b"new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("taken", [True, False])
def test_a_file_system_without_links_does_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "b.sql"
    if taken:
        path.write_bytes(b"old")
        with pytest.raises(InputError):
            write_new(path, b"new")
    else:
        write_new(path, b"new")
    assert path.read_bytes() == (b"old" if taken else b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["b.sql"]


# --- the lock ---

HOLD = """
import sys
from pathlib import Path
from nself_tasks.project import file_lock, find_project
with file_lock(find_project(Path(sys.argv[1]), None)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_is_had_again_after_it_was_given_back(shop: Project) -> None:
    for _ in range(2):
        with file_lock(shop, 0):
            pass


def test_who_holds_the_lock_is_named_until_it_dies(shop: Project) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(shop.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        told: list[str] = []
        with (
            pytest.raises(LockNotAcquired) as raised,
            file_lock(shop, 0.3, notice=lambda level, text: told.append(text)),
        ):
            pass
        holder.kill()
    assert f"process {holder.pid} on " in raised.value.message
    assert len(told) == 1
    with file_lock(shop, 5):
        pass


def test_a_lock_file_with_junk_in_it_is_no_trouble(shop: Project) -> None:
    (ensure_private(state_dir(shop)) / "lock").write_bytes(b"\xff{")
    with file_lock(shop, 0), pytest.raises(LockNotAcquired), file_lock(shop, 0):
        pass


def test_a_lock_file_that_is_a_link_is_refused(shop: Project, tmp_path: Path) -> None:
    (ensure_private(state_dir(shop)) / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(NselfError), file_lock(shop, 0):
        pass
    assert not (tmp_path / "victim").exists()


def test_a_child_does_not_keep_the_lock(shop: Project) -> None:
    with file_lock(shop, 0):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1)
    try:
        with file_lock(shop, 0):
            pass
    finally:
        child.kill()
        child.communicate()


def test_an_error_inside_is_not_swallowed(shop: Project) -> None:
    with pytest.raises(ZeroDivisionError), file_lock(shop, 0):
        raise ZeroDivisionError
