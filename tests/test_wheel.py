"""The built wheel, installed where no clone is: everything that a user needs is in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment outside of the clone with our wheel in it."""

    bin: Path
    shop: Path
    """A copy of the bookshop, where the commands run."""

    def __call__(self, *command: str, database: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in the bookshop."""
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path}
        if database:
            environment["DATABASE_URL"] = database
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.shop,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    _successful("build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment that shares the running one's other packages."""
    folder = tmp_path_factory.mktemp("installed")
    home, shop = folder / "venv", folder / "shop"
    _successful("venv", "--without-pip", str(home))
    python = home / "bin" / "python"
    _successful("pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    # A line in a .pth file adds a folder, but reads none of its .pth files: not the clone's.
    (packages,) = home.glob("lib/python3*/site-packages")
    shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "shared.pth").write_text("\n".join(sorted(shared)) + "\n")
    bookshop = ROOT / "examples" / "bookshop"
    shutil.copytree(bookshop, shop, ignore=shutil.ignore_patterns(".nself"))
    return Installed(home / "bin", shop)


def _successful(module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schemas_and_the_dodo_file_are_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    schemas = {f"nself_tasks/schemas/{path.name}" for path in ROOT.glob("schemas/*.json")}
    assert schemas
    assert {*schemas, "nself_tasks/dodo.py"} <= names


def test_no_test_and_no_example_is_in_the_wheel(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"nself_tasks", next(top for top in tops if top.endswith(".dist-info"))}


def test_what_runs_is_the_wheels_code(installed: Installed) -> None:
    where = installed("python", "-c", "import nself_tasks; print(nself_tasks.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed.bin.parent), where.stderr


@pytest.mark.parametrize("command", [("nself", "migrate"), ("nself-migrate",)])
def test_both_console_scripts_answer(installed: Installed, command: tuple[str, ...]) -> None:
    done = installed(*command, "detect")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ARTIFACT")


def test_a_project_is_migrated_and_rolled_back_by_the_wheel(
    installed: Installed, database: str
) -> None:
    planned = installed("nself", "migrate", "run", "--dry-run", database=database)
    assert (planned.returncode, "10 pending" in planned.stdout) == (0, True), planned.stderr
    ran = installed("nself", "migrate", "run", database=database)
    assert (ran.returncode, ran.stdout[:21]) == (0, "10 migrations applied"), ran.stderr
    listed = installed("nself", "migrate", "doit", "list", "--all", "--status", database=database)
    assert listed.returncode == 0, listed.stderr
    assert "migrate:apply:20260309170000" in listed.stdout
    back = installed("nself", "migrate", "rollback", database=database)
    assert (back.returncode, back.stdout[:23]) == (0, "1 migration rolled back"), back.stderr


def test_plain_doit_finds_the_graph_in_the_wheel(installed: Installed, database: str) -> None:
    script = (
        "import pathlib, sys, nself_tasks; from doit.doit_cmd import DoitMain;"
        "dodo = str(pathlib.Path(nself_tasks.__file__).with_name('dodo.py'));"
        "sys.argv[1:] = ['list', '-f', dodo, '-d', '.', '--all'];"
        "sys.exit(DoitMain().run(sys.argv[1:]))"
    )
    listed = installed("python", "-c", script, database=database)
    assert listed.returncode == 0, listed.stderr
    assert "migrate:apply:20260105090000" in listed.stdout
