"""A disk that runs full in the middle of an upgrade: a clear error, nothing lost, both ways out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from moments import Tree, command, moments, shop, whole_tree

RUN = ("run", "--files-only")
BACK = ("rollback", "--files")
PAGE = 4096
"""A tmpfs gives out space in pages."""
DISK = 140 * PAGE
INTENT = ".nself/migrate/intent.json"
FREE = range(30)
"""Pages that are free when the command begins, all of them too few."""
MOST = 60
"""More than any of the commands needs."""

pytestmark = pytest.mark.slow


class Disk:
    """A small disk with a project on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "shop"
        self.ballast = folder / "ballast"

    def fill(self, pages: int) -> None:
        """Leave so many pages free."""
        free = os.statvfs(self.folder).f_bavail - pages
        assert free >= 0, "the disk is too small for the test"
        with self.ballast.open("wb") as file:
            file.write(b"\0" * PAGE * free)
        assert os.statvfs(self.folder).f_bavail == pages

    def put(self, start: Path) -> Path:
        """Begin with a fresh copy of a project."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(start, self.root, symlinks=True)
        return self.root


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    folder = tmp_path_factory.mktemp("disk")
    options = ["-o", f"size={DISK},mode=700"]
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", *options, "nself-test", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield Disk(folder)
    subprocess.run(["umount", str(folder)], check=True)


def large_shop(folder: Path) -> Path:
    """A project with one file that takes more room than the others."""
    root = shop(folder / "shop")
    with (root / "docker-compose.yml").open("a") as file:
        file.write("# a long history of this file\n" * 700)
    return root


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large_shop(tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = large_shop(tmp_path_factory.mktemp("after"))
    assert command(root, *RUN).code == 0
    return root


@pytest.fixture(scope="module")
def v1(before: Path) -> Tree:
    return whole_tree(before)


@pytest.fixture(scope="module")
def v2(after: Path) -> Tree:
    return whole_tree(after)


def check_refused(said: str, disk: Disk) -> None:
    """The error names the disk and says what to do."""
    assert f"no space is left on the disk at `{disk.folder}`" in said
    assert "free some space there, then run the same command again" in said
    assert "Traceback" not in said


def check_known(root: Path, v1: Tree, v2: Tree) -> None:
    """What is neither v1 nor v2 says so, and `detect` calls clean only the whole v2."""
    tree, unfinished = whole_tree(root), (root / INTENT).exists()
    assert unfinished or tree in (v1, v2)
    clean = tree == v2 and not unfinished
    assert command(root, "detect", "--strict").code == (0 if clean else 3)


def check_both_ways_out(disk: Disk, v1: Tree, v2: Tree, *, has_backup: bool) -> None:
    """With room again, a run ends in the whole v2 and a rollback in the whole v1."""
    disk.ballast.unlink()
    with tempfile.TemporaryDirectory() as elsewhere:
        left = Path(shutil.copytree(disk.root, Path(elsewhere) / "left", symlinks=True))
        done = command(disk.root, *RUN)
        assert (done.code, whole_tree(disk.root)) == (0, v2), done.err
        done = command(disk.put(left), *BACK)
        assert whole_tree(disk.root) == v1
        assert done.code == (0 if has_backup else 1), done.err


def has_backup(root: Path) -> bool:
    return any(root.glob(".nself/backup/[0-9]*/manifest.json"))


@pytest.mark.parametrize("pages", FREE)
def test_a_run_on_a_disk_that_runs_full_loses_nothing_and_can_be_finished_or_undone(
    pages: int, disk: Disk, before: Path, v1: Tree, v2: Tree
) -> None:
    root = disk.put(before)
    disk.fill(pages)
    stopped = command(root, *RUN)
    assert stopped.code == 1
    check_refused(stopped.err, disk)
    check_known(root, v1, v2)
    check_both_ways_out(disk, v1, v2, has_backup=has_backup(root))


@pytest.mark.parametrize("pages", FREE)
def test_a_rollback_on_a_disk_that_runs_full_loses_nothing_and_can_be_finished_or_undone(
    pages: int, disk: Disk, after: Path, v1: Tree, v2: Tree
) -> None:
    root = disk.put(after)
    disk.fill(pages)
    stopped = command(root, *BACK)
    assert stopped.code == 1
    check_refused(stopped.err, disk)
    check_known(root, v1, v2)
    check_both_ways_out(disk, v1, v2, has_backup=True)


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (RUN, r"\b(\d) of 8 files of the project are upgraded: `nself migrate run` finishes it"),
        (BACK, r"\b(\d) of 8 files are as they were, \d are not; .*--files` finishes it"),
    ],
    ids=["run", "rollback"],
)
def test_a_disk_that_runs_full_between_two_files_is_said_with_how_many_are_done(
    goal: tuple[str, ...], said: str, disk: Disk, before: Path, after: Path, v1: Tree, v2: Tree
) -> None:
    mixtures = 0
    for pages in range(FREE.stop, MOST):
        root = disk.put(before if goal == RUN else after)
        disk.fill(pages)
        ended = command(root, *goal)
        if ended.code == 0:
            break
        check_refused(ended.err, disk)
        check_known(root, v1, v2)
        found = re.search(said, ended.err)
        if found and whole_tree(root) not in (v1, v2):
            mixtures += 1
            assert 0 < int(found[1]) < 8
            check_both_ways_out(disk, v1, v2, has_backup=True)
    assert ended.code == 0, "the disk was never large enough"
    assert mixtures > 0


@pytest.mark.parametrize("second", [RUN, BACK], ids=" ".join)
def test_a_draft_beside_a_file_on_another_disk_goes_with_the_second_command(
    second: tuple[str, ...], disk: Disk, before: Path, v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    disk.put(before / "nginx")
    root = Path(shutil.copytree(before, tmp_path / "shop", symlinks=True))
    shutil.rmtree(root / "nginx")
    (root / "nginx").mkdir()
    with mounted(disk.root, root / "nginx"), moments(tmp_path / "means") as means:
        means.stopped(r"rename .* nginx/sites/hasura\.conf$", root, *RUN).killed()
        assert len(list(root.glob("nginx/sites/.nself-*.tmp"))) == 1
        assert command(root, *second).code == 0
        assert whole_tree(root) == (v2 if second == RUN else v1)


@contextmanager
def mounted(folder: Path, place: Path) -> Iterator[None]:
    """Show a folder of the small disk at another place."""
    subprocess.run(["mount", "--bind", str(folder), str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_run_that_ends_on_a_full_disk_needs_no_room_for_detect(
    disk: Disk, before: Path, v1: Tree
) -> None:
    root = disk.put(before)
    disk.fill(0)
    assert command(root, "detect", "--strict").code == 3
    assert whole_tree(root) == v1
