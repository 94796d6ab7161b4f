"""Nothing of a project is ever executed or imported, whatever its files are called."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import v1_projects
from hostile import in_words
from servers_for_tests import Nself, Project

PWNED = "import os, pathlib\npathlib.Path({mark!r}).write_text('pwned')\n"
MODULES = (
    "yaml",
    "doit",
    "psycopg",
    "jsonschema",
    "json",
    "argparse",
    "conftest",
    "dodo",
    "openai",
)
PLUGIN = "[tool.doit.plugins.command]\nrun = 'evil:Evil'\n[tool.doit]\nbackend = 'evil'\n"
SHELL = "$(touch {mark})`touch {mark}`; touch {mark}"


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The file that is there when something of the project has run."""
    return tmp_path / "pwned"


def baited(root: Path, mark: Path) -> Path:
    """Put into a project what programs load by its name, and shell syntax where values are."""
    for name in MODULES:
        (root / f"{name}.py").write_text(PWNED.format(mark=str(mark)))
    (root / "evil.py").write_text(PWNED.format(mark=str(mark)))
    (root / "pyproject.toml").write_text(PLUGIN)
    (root / "doit.cfg").write_text("[COMMAND]\nrun = evil:Evil\n[GLOBAL]\nbackend = evil\n")
    (root / "setup.cfg").write_text("[doit]\nplugins = evil\n")
    info = root / "evil-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[doit.BACKEND]\nnself-journal = evil:Evil\n")
    for name in ("nself.sh", "psql", "pg_dump", "docker", "git", "nself", "bin/nself"):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {mark}\necho nself 1.0.9\n")
        path.chmod(0o755)
    with (root / ".env").open("a") as file:
        file.write(f'A={SHELL}\nB="{SHELL}"\nPATH={root}:{root}/bin\nLD_PRELOAD={root}/evil.so\n')
        file.write(f"NSELF_PG_BINDIR={root}\nPYTHONPATH={root}\nPGHOST=evil.invalid\n")
        file.write(f"DOCKER_HOST=tcp://evil.invalid\nDOIT_CONFIG={root}/doit.cfg\n")
    return root


COMMANDS = (
    ["detect", "--verbose"],
    ["run", "--dry-run", "--diff", "--files-only"],
    ["run", "--files-only"],
    ["rollback", "--files"],
    ["graph", "--check"],
    ["doit", "list", "--all"],
    ["doit", "run", "migrate:history"],
    ["doit", "help"],
)


@pytest.mark.parametrize("way", ["module", "script", "script with PYTHONPATH=."])
def test_no_file_of_the_project_is_loaded(tmp_path: Path, mark: Path, way: str) -> None:
    root = baited(v1_projects.write(tmp_path / "shop"), mark)
    if way != "module":
        # Python itself loads these before a program begins, where its path has the current folder.
        (root / "json.py").unlink()
        (root / "argparse.py").unlink()
    script = Path(sys.executable).with_name("nself-migrate")
    program = [sys.executable, "-m", "nself_tasks"] if way == "module" else [str(script)]
    environment = {**os.environ, **({"PYTHONPATH": "."} if "PYTHONPATH" in way else {})}
    for arguments in COMMANDS:
        done = subprocess.run(
            [*program, *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not mark.exists(), (arguments, done.stdout, done.stderr)
        assert done.returncode in (0, 1, 2), done.stderr
        assert "Traceback" not in done.stderr
    text = (root / ".env").read_text()
    assert SHELL.format(mark="{mark}") in text, "the values are kept as they are"


@pytest.fixture
def strace() -> str:
    if found := shutil.which("strace"):
        return found
    pytest.skip("no strace (apt: strace)")


@pytest.mark.postgres
def test_no_process_of_a_run_executes_or_loads_a_file_of_the_project(
    project: Project, database: str, mark: Path, tmp_path: Path, strace: str
) -> None:
    """Every execve and every shared library or Python file that any process opens is looked at."""
    v1_projects.write(project.root)
    baited(project.root, mark)
    project.migration("1", "a", "CREATE TABLE a (i int);", "DROP TABLE a;")
    trace = tmp_path / "trace"
    for arguments in (["run"], ["status"], ["rollback"]):
        called = [sys.executable, "-m", "nself_tasks", *arguments, "--database-url", database]
        traced = [strace, "-f", "-qq", "-e", "trace=execve,openat", "-s", "4096", "-o", str(trace)]
        done = subprocess.run(
            [*traced, *called], cwd=project.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        calls = trace.read_text(errors="replace")
        assert "execve(" in calls
        executed = re.findall(r'execve\("([^"]+)"', calls)
        opened = re.findall(r'openat\([^"]*"([^"]+\.(?:py|pyc|so[.\d]*|pth))"[^)]*\) = \d', calls)
        inside = [p for p in (*executed, *opened) if _is_inside(p, project.root)]
        assert inside == []
        if arguments == ["run"]:
            assert any(path.endswith("/pg_dump") for path in executed), "the tracer sees nothing"
    assert not mark.exists()


def _is_inside(path: str, root: Path) -> bool:
    return Path(os.path.normpath(root / path)).is_relative_to(root)


def test_settings_of_the_env_files_are_not_those_of_our_programs(
    project: Project, database: str, mark: Path
) -> None:
    baited(project.root, mark)
    project.migration("1", "a", "CREATE TABLE a (i int);")
    nself = Nself(project.root, {"DATABASE_URL": database})
    in_words(nself("run"), 0)
    assert list(project.root.glob(".nself/backup/*/database.dump"))
    assert not mark.exists()


@pytest.mark.parametrize("name", ["PGHOST", "PGOPTIONS", "PGSERVICE", "PGPASSFILE", "PGDATABASE"])
def test_libpq_variables_of_the_process_fill_no_gaps(
    project: Project, database: str, name: str
) -> None:
    project.migration("1", "a", "CREATE TABLE a (i int);")
    nself = Nself(project.root, {"DATABASE_URL": database, name: "/nowhere"})
    in_words(nself("run", "--skip-backup"), 0)


def test_python_itself_loads_what_pythonpath_names(tmp_path: Path, mark: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(PWNED.format(mark=str(mark)))
    script = Path(sys.executable).with_name("nself-migrate")
    for path, ran in (({}, False), ({"PYTHONPATH": "."}, True)):
        done = subprocess.run(
            [script, "--version"], cwd=tmp_path, env={**os.environ, **path}, check=False
        )
        assert (done.returncode, mark.exists()) == (0, ran)


def test_only_the_script_is_safe_from_a_package_of_our_name(tmp_path: Path, mark: Path) -> None:
    (tmp_path / "nself_tasks").mkdir()
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "nself_tasks" / name).write_text(PWNED.format(mark=str(mark)))
    script = Path(sys.executable).with_name("nself-migrate")
    for program, ran in (([script], False), ([sys.executable, "-m", "nself_tasks"], True)):
        subprocess.run([*program, "--version"], cwd=tmp_path, capture_output=True, check=False)
        assert mark.exists() is ran


def test_plain_doit_reads_the_configuration_of_the_folder(project: Project) -> None:
    (project.root / "doit.cfg").write_text("[COMMAND]\nevil = evil:Evil\n")
    dodo = Path(__file__).parents[2] / "dodo.py"
    plain = [sys.executable, "-m", "doit", "evil", "-f", str(dodo), "-d", "."]
    done = subprocess.run(plain, cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "No module named 'evil'" in done.stdout + done.stderr
    assert in_words(Nself(project.root, {})("doit", "list"), 0)


def test_the_program_works_in_its_own_clone(tmp_path: Path) -> None:
    """There the current folder is where the package itself lies."""
    clone = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "nself_tasks", "--help"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
