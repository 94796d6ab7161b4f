"""SQL files that are large, broken, or meant for psql: the right result, or a refusal in words."""

from __future__ import annotations

import pytest
from hostile import in_words, rows, tables
from servers_for_tests import Nself, Project


def test_a_file_of_50_mb_runs(project: Project, nself: Nself, database: str) -> None:
    values = ",\n".join(f"({i}, '{'x' * 1000}')" for i in range(50_000))
    project.migration("1", "a", f"CREATE TABLE a (i int, t text); INSERT INTO a VALUES {values};")
    in_words(nself("run", "--skip-backup", seconds=180), 0)
    assert rows(database, "SELECT count(*) FROM a") == [50_000]


def test_10_000_statements_in_one_file_run(project: Project, nself: Nself, database: str) -> None:
    inserts = "\n".join(f"INSERT INTO a VALUES ({i}); -- {i}" for i in range(10_000))
    project.migration("1", "a", f"CREATE TABLE a (i int);\n{inserts}")
    in_words(nself("run", "--skip-backup", seconds=180), 0)
    assert rows(database, "SELECT count(*) FROM a") == [10_000]


REFUSED = {
    "bad UTF-8": (b"SELECT '\xff';", "is not UTF-8"),
    "NUL": (b"SELECT 1;\n\0", "NUL byte"),
    "UTF-16": ("SELECT 1;".encode("utf-16"), "UTF-16"),
    "a shell": (b"\\! touch pwned\n", "command of psql"),
    "another file": (b"\\i /etc/passwd\n", "command of psql"),
    "a copy": (b"\\copy a from /etc/passwd\n", "command of psql"),
    "an escape in a command": (b"-- nself: \x1b[2J\nSELECT 1;", "is unknown"),
    "an open quote": (b"SELECT '" + b"x" * 100_000, "never ends"),
    "another transaction": (b"SELECT 1; COMMIT; SELECT 2;", "COMMIT"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_run_is_refused_before_anything_is(
    project: Project, nself: Nself, database: str, what: str
) -> None:
    raw, words = REFUSED[what]
    project.migration("1", "a", "CREATE TABLE a (i int);")
    (project.migrations / "2_b.sql").write_bytes(raw)
    assert words in in_words(nself("run", "--skip-backup"), 1).err
    assert tables(database) == []
    assert not (project.root / "pwned").exists()


def test_nesting_that_the_server_refuses_leaves_nothing(
    project: Project, nself: Nself, database: str
) -> None:
    deep = "(" * 100_000 + "1" + ")" * 100_000
    project.migration("1", "a", f"CREATE TABLE a (i int); SELECT {deep};")
    assert "The database is as it was" in in_words(nself("run", "--skip-backup"), 1).err
    assert tables(database) == []
