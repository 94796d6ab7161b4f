"""The example project: every migration has its down, and nothing in it is a secret."""

from __future__ import annotations

from pathlib import Path

from nself_tasks.project import read_migration_files
from nself_tasks.secrets import mask
from nself_tasks.settings import load, resolve_target

EXAMPLE = Path(__file__).parents[1] / "examples" / "bookshop"


def test_it_is_found_as_a_project_and_brings_its_database() -> None:
    settings = load({}, {}, EXAMPLE / "backend")
    assert (settings.project.root, settings.era, settings.project_name) == (
        EXAMPLE,
        "v2",
        "bookshop",
    )
    assert resolve_target(settings).embedded


def test_every_migration_has_a_down_and_a_line_in_the_readme() -> None:
    names = [path.name for path, _ in read_migration_files(load({}, {}, EXAMPLE).project)]
    ups = [name for name in names if not name.endswith(".down.sql")]
    assert len(ups) == 10
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for up in ups:
        assert up.replace(".sql", ".down.sql") in names
        assert f"`{up.removesuffix('.sql')}`" in readme


def test_no_migration_has_a_secret_in_it() -> None:
    for _, raw in read_migration_files(load({}, {}, EXAMPLE).project):
        assert isinstance(raw, bytes)
        assert mask(raw.decode()) == raw.decode()
