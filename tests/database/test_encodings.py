"""Files that set the client encoding: their characters arrive as they are, or not at all."""

from __future__ import annotations

import psycopg
import pytest
from servers_for_tests import Nself, Project

WORD = "Grüße 🐘"
COPIED = "CREATE TABLE said (word text);\nCOPY said FROM stdin;\n{word}\n\\.\n"
INSERTED = "CREATE TABLE said (word text);\nINSERT INTO said VALUES ('{word}');\n"
BOTH = pytest.mark.parametrize("sql", [COPIED, INSERTED], ids=["copied", "inserted"])


def said(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM said").fetchall()]


@BOTH
@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII", "unicode"])
def test_characters_arrive_as_the_file_has_them(
    sql: str, encoding: str, project: Project, nself: Nself, database: str
) -> None:
    text = f"SET client_encoding = '{encoding}';\n{sql.format(word=WORD)}"
    project.migration("1", "a", text)
    assert nself("run", "--skip-backup").code == 0
    assert said(database) == [WORD]


@BOTH
@pytest.mark.parametrize("first", ["", "-- nself: no-transaction\n"], ids=["whole", "by statement"])
def test_a_file_that_the_server_would_read_as_other_characters_is_refused(
    sql: str, first: str, project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", f"{first}SET client_encoding = 'LATIN1';\n{sql.format(word=WORD)}")
    result = nself("run", "--skip-backup")
    assert result.code == 1
    line = 3 + bool(first)
    assert f"1_a.sql:{line}:1: the file is UTF-8, but its `SET client_encoding`" in result.err
    project.migration("1", "a", f"{first}{sql.format(word=WORD)}")
    if not first:
        assert nself("run", "--skip-backup").code == 0
        assert said(database) == [WORD]


@BOTH
def test_a_file_of_ascii_may_set_any_encoding(
    sql: str, project: Project, nself: Nself, database: str
) -> None:
    project.migration("1", "a", f"SET client_encoding = 'LATIN1';\n{sql.format(word='word')}")
    assert nself("run", "--skip-backup").code == 0
    assert said(database) == ["word"]


def test_an_error_in_sql_ascii_is_told_with_its_place(project: Project, nself: Nself) -> None:
    project.migration(
        "1", "a", f"SET client_encoding = 'SQL_ASCII';\nINSERT INTO said VALUES ('{WORD}', nö);\n"
    )
    result = nself("run", "--skip-backup")
    assert (result.code, "Traceback" in result.err) == (1, False)
    assert "1_a.sql:2:13:" in result.err
