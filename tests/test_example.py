"""The example projects: every migration has its down, no secret is in one, v1 and v2 are so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from v1_projects import tree

from nself_tasks.commands.detect import detect
from nself_tasks.project import read_migration_files
from nself_tasks.secrets import mask
from nself_tasks.settings import load, resolve_target

EXAMPLES = Path(__file__).parents[1] / "examples"
BOOKSHOP, LIBRARY = EXAMPLES / "bookshop", EXAMPLES / "lending-library"
BOTH = pytest.mark.parametrize(("example", "count"), [(BOOKSHOP, 10), (LIBRARY, 6)])


@pytest.mark.parametrize(
    ("example", "root", "era", "name"),
    [(BOOKSHOP, BOOKSHOP, "v2", "bookshop"), (LIBRARY, LIBRARY / "backend", "v1", "library")],
)
def test_it_is_found_as_a_project_and_brings_its_database(
    example: Path, root: Path, era: str, name: str
) -> None:
    settings = load({}, {}, example / "backend")
    assert (settings.project.root, settings.era, settings.project_name) == (root, era, name)
    assert resolve_target(settings).embedded


@BOTH
def test_every_migration_has_a_down_and_a_line_in_the_readme(example: Path, count: int) -> None:
    names = [path.name for path, _ in read_migration_files(load({}, {}, example).project)]
    ups = [name for name in names if not name.endswith(".down.sql")]
    assert len(ups) == count
    readme = (example / "README.md").read_text(encoding="utf-8")
    for up in ups:
        assert up.replace(".sql", ".down.sql") in names
        assert f"`{up.removesuffix('.sql')}`" in readme


@BOTH
def test_no_migration_has_a_secret_in_it(example: Path, count: int) -> None:
    for _, raw in read_migration_files(load({}, {}, example).project):
        assert isinstance(raw, bytes)
        assert mask(raw.decode()) == raw.decode()


def test_the_v1_example_has_something_of_every_kind_and_nothing_to_decide() -> None:
    rows = detect(load({}, {}, LIBRARY)).data["artifacts"]
    found = [(finding["kind"], finding["status"]) for row in rows for finding in row["findings"]]
    kinds = {kind for kind, status in found if status == "migrate"}
    assert kinds == {"compose", "env", "nginx", "plugin", "leftovers"}
    assert {status for _, status in found} == {"migrate", "keep"}


def test_every_file_of_the_v1_example_has_a_line_in_its_readme() -> None:
    readme = (LIBRARY / "README.md").read_text(encoding="utf-8")
    names = {name for name in tree(LIBRARY / "backend") if not name.startswith("migrations/")}
    assert [name for name in sorted(names - {".gitignore"}) if f"`{name}`" not in readme] == []


def test_git_keeps_every_file_of_the_v1_example(tmp_path: Path) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copy(EXAMPLES.parent / ".gitignore", tmp_path)
    library = tmp_path / "examples/lending-library"
    shutil.copytree(LIBRARY, library)
    for name in ("backup/x", "migrate/x", "postgres/x"):
        path = library / "backend/.nself" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", library], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    kept = {name.removeprefix("examples/lending-library/") for name in listed.split("\0") if name}
    assert kept == {path for path in tree(library) if not path.startswith("backend/.nself/")} | {
        "backend/.nself/build-version"
    }
