"""`generate`: a pair of files with a name that is safe everywhere, and nothing overwritten."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from observation import violations
from servers_for_tests import Nself, Project

from nself_tasks.commands.generate import generate
from nself_tasks.errors import InputError, UsageError
from nself_tasks.settings import load

NOON = datetime(2026, 5, 7, 12, 0, 0, tzinfo=UTC)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def made(project: Project, description: str, moment: datetime = NOON) -> list[str]:
    report = generate(load({}, {}, project.root), description, now=lambda: moment)
    return list(report.data["created"])


def names(project: Project) -> list[str]:
    return sorted(path.name for path in project.migrations.iterdir())


def test_it_makes_an_up_and_a_down_file_with_a_timestamp(project: Project) -> None:
    assert made(project, "Add orders table") == [
        "backend/migrations/20260507120000_add_orders_table.sql",
        "backend/migrations/20260507120000_add_orders_table.down.sql",
    ]


def test_the_timestamp_is_utc_now(project: Project, nself_offline: Nself) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    result = nself_offline("generate", "--no-ai", "x", "--json", environment={"TZ": "Asia/Tokyo"})
    version = datetime.strptime(result.json()["migration_version"], "%Y%m%d%H%M%S").replace(
        tzinfo=UTC
    )
    assert before <= version <= datetime.now(UTC)


def test_the_json_is_as_its_schema_says(project: Project, nself_offline: Nself) -> None:
    result = nself_offline("generate", "add orders", "--no-ai", "--json")
    assert result.code == 0
    assert violations(result.json(), "generate") == []
    assert all((project.root / path).is_file() for path in result.json()["created"])


def test_the_text_names_what_was_made(project: Project, nself_offline: Nself) -> None:
    lines = nself_offline("generate", "--no-ai", "add orders").out.splitlines()
    assert [line.split()[:2] for line in lines] == [["→", "Created:"]] * 2


@pytest.mark.parametrize(
    "description",
    [
        "🎉 emoji 🎉",
        "🎉",
        "../../etc/passwd",
        "a/b\\c:d*e?f",
        'it\'s "quoted" `here`; $(rm -rf /)',
        "very long " * 100,
        "日本語だけ",
        "Çalışma übergrößen",
        "con",
        "line\nbreak\tand tab",
        "--no-such-flag",
        "trailing dots...",
        "roll it down",
        ".hidden",
        "x" * 3000,
    ],
)
def test_an_odd_description_gives_a_name_that_is_safe_everywhere(
    project: Project, description: str
) -> None:
    paths = [Path(path) for path in made(project, description)]
    assert [path.parent.as_posix() for path in paths] == ["backend/migrations"] * 2
    for path in paths:
        assert re.fullmatch(r"20260507120000_[a-z0-9_]{1,60}(\.down)?\.sql", path.name)
        assert not RESERVED.match(path.name)
    assert sorted(path.name for path in paths) == names(project)
    first = (project.root / paths[0]).read_text().splitlines()[0]
    assert first == "-- " + " ".join(description.split())


@pytest.mark.parametrize("description", ["", " ", "\n\t"])
def test_an_empty_description_is_a_usage_error(
    project: Project, nself_offline: Nself, description: str
) -> None:
    with pytest.raises(UsageError):
        made(project, description)
    result = nself_offline("generate", "--no-ai", description, "--json")
    assert result.code == 2
    assert violations(result.json(), "error") == []
    assert names(project) == []


def test_two_in_one_second_get_two_versions(project: Project) -> None:
    made(project, "one")
    made(project, "two")
    made(project, "three", NOON + timedelta(seconds=1))
    versions = {name.split("_")[0] for name in names(project)}
    assert versions == {"20260507120000", "20260507120001", "20260507120002"}


def test_the_same_twice_overwrites_nothing(project: Project) -> None:
    first, _ = made(project, "same")
    (project.root / first).write_text("SELECT 'mine';")
    made(project, "same")
    assert (project.root / first).read_text() == "SELECT 'mine';"
    assert len(names(project)) == 4


def test_a_version_that_others_write_differently_is_taken_all_the_same(project: Project) -> None:
    project.migration("020260507120000", "theirs", "SELECT 1;")
    first, _ = made(project, "ours")
    assert first.endswith("/20260507120001_ours.sql")


def test_what_was_generated_is_refused_until_it_has_sql(
    project: Project, nself_offline: Nself
) -> None:
    first, down = made(project, "later")
    assert nself_offline("graph", "--check").code == 1
    (project.root / first).write_text("CREATE TABLE later (i int);")
    (project.root / down).write_text("DROP TABLE later;")
    assert nself_offline("graph", "--check").code == 0


def test_the_folder_is_made_where_it_is_missing(project: Project) -> None:
    project.migrations.rmdir()
    assert len(made(project, "first")) == 2


def test_a_folder_that_cannot_be_made_is_said(project: Project, nself_offline: Nself) -> None:
    project.migrations.rmdir()
    project.migrations.write_text("a file where the folder belongs")
    result = nself_offline("generate", "--no-ai", "x")
    assert result.code == 1
    assert "migrations" in result.err
    with pytest.raises((InputError, OSError)):
        made(project, "x")
