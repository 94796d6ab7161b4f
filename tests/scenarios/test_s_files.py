"""Files that were changed, moved, doubled or left empty."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers_for_tests import Nself, Project
from sql_for_tests import applied, tables

RUN = ("run", "--skip-backup")


@pytest.fixture
def first(project: Project, nself: Nself) -> Path:
    """The file of an applied migration; one more is pending."""
    path = project.migration("1", "first", "CREATE TABLE first (id integer);\n")
    assert nself(*RUN).code == 0
    project.migration("3", "third", "CREATE TABLE third (id integer);\n")
    return path


def refused(nself: Nself, database: str, word: str) -> str:
    """A run that does nothing but say what is wrong; gives what it said."""
    done = nself(*RUN, "--json")
    error = done.json()["error"]
    assert (done.code, error["database"]) == (1, "unchanged"), done.out
    assert (applied(database), tables(database)) == (["1"], ["first"])
    (problem,) = error["problems"]
    assert word in problem["message"], problem
    return f"{problem['path']} {problem['message']}"


def test_s05_an_applied_file_is_edited(first: Path, nself: Nself, database: str) -> None:
    """A file is edited after it was applied.

    The run names it and stops before anything; `status --verbose` shows the difference.
    """
    first.write_text("CREATE TABLE first (id bigint);\n")
    assert first.name in refused(nself, database, "edited")
    assert "+CREATE TABLE first (id bigint);" in nself("status", "--verbose").out


def test_s06_only_the_line_ends_change(first: Path, nself: Nself, database: str) -> None:
    """An applied file is checked out again with CRLF line ends.

    It counts as the same file; the run goes on with what is pending.
    """
    first.write_bytes(first.read_bytes().replace(b"\n", b"\r\n"))
    done = nself(*RUN)
    assert (done.code, applied(database)) == (0, ["1", "3"]), done.err
    assert "edited" not in done.out + done.err


def test_s07_an_older_file_arrives_late(
    first: Path, project: Project, nself: Nself, database: str
) -> None:
    """A file arrives whose version is older than the newest applied one.

    In dev it is applied, with a note; in staging and prod it is refused by name, unless
    `--out-of-order` is given. It is never passed over.
    """
    assert nself(*RUN).code == 0
    late = project.migration("2", "late", "CREATE TABLE late (id integer);\n")
    for environment in ("staging", "prod"):
        stopped = nself("run", "--relabel", "--env", environment, "--json")
        (problem,) = stopped.json()["error"]["problems"]
        assert (stopped.code, tables(database)) == (1, ["first", "third"])
        assert problem["path"] == f"backend/migrations/{late.name}"
    done = nself(*RUN)
    assert (done.code, tables(database)) == (0, ["first", "late", "third"])
    assert "2 is older than the newest applied migration" in done.err


def test_s08_the_same_version_twice(
    first: Path, project: Project, nself: Nself, database: str
) -> None:
    """Two files have one version.

    Both are named and nothing runs.
    """
    other = project.migration("0003", "other", "CREATE TABLE other (id integer);\n")
    done = nself(*RUN, "--json")
    assert (done.code, done.json()["error"]["database"]) == (1, "unchanged")
    assert other.name in done.out
    assert "3_third.sql" in done.out
    assert (applied(database), tables(database)) == (["1"], ["first"])


def test_s09_an_applied_file_is_deleted(first: Path, nself: Nself, database: str) -> None:
    """The file of an applied migration is gone.

    The run names it and stops before anything; with the file back it goes on.
    """
    text = first.read_text()
    first.unlink()
    assert "1_first" in refused(nself, database, "gone")
    first.write_text(text)
    assert nself(*RUN).code == 0
    assert applied(database) == ["1", "3"]


def test_s10_an_applied_file_is_renamed(first: Path, nself: Nself, database: str) -> None:
    """The file of an applied migration gets another name.

    The run says both names and stops before anything; under its old name it goes on.
    """
    renamed = first.rename(first.with_name("1_another.sql"))
    said = refused(nself, database, "first")
    assert renamed.name in said
    renamed.rename(first)
    assert nself(*RUN).code == 0
    assert applied(database) == ["1", "3"]


@pytest.mark.parametrize("text", ["", "\n \n", "-- nothing yet\n/* ; */\n"])
def test_s27_an_empty_file(
    text: str, first: Path, project: Project, nself: Nself, database: str
) -> None:
    """A file holds no statement.

    It is refused by name before anything runs, so that it is not recorded as done and then filled.
    """
    empty = project.migration("4", "empty", text)
    assert empty.name in refused(nself, database, "no statement")
    empty.write_text("CREATE TABLE filled (id integer);\n")
    assert nself(*RUN).code == 0
    assert tables(database) == ["filled", "first", "third"]
