"""A COMMIT that no reading of the file can find: Postgres refuses it, and nothing stays."""

from __future__ import annotations

import pytest
from hostile import in_words, tables
from servers_for_tests import Nself, Project

PROCEDURE = "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;"
HIDDEN = {
    "in a DO block": "CREATE TABLE a (i int);\nDO $$ BEGIN COMMIT; END $$;\nSELECT 1;",
    "in a procedure": f"CREATE TABLE a (i int);\n{PROCEDURE}\nCALL p();",
    "a ROLLBACK": "CREATE TABLE a (i int);\nDO $$ BEGIN ROLLBACK; END $$;",
    "in dynamic SQL": "CREATE TABLE a (i int);\nDO $$ BEGIN EXECUTE 'com' || 'mit'; END $$;",
}


@pytest.mark.parametrize("what", HIDDEN)
def test_it_is_refused_with_the_way_out_and_nothing_stays(
    project: Project, nself: Nself, database: str, what: str
) -> None:
    path = project.migration("1", "a", HIDDEN[what])
    result = in_words(nself("run", "--skip-backup"), 1)
    assert "1_a.sql:" in result.err
    assert "The database is as it was before 1" in result.err
    assert tables(database) == []
    if what == "in dynamic SQL":
        # No way of running it helps: the server knows no such statement.
        assert "hint: mend it, then run" in result.err
        return
    assert "-- nself: no-transaction" in result.err
    path.write_text(f"-- nself: no-transaction\n{HIDDEN[what]}")
    in_words(nself("run", "--skip-backup"), 0)
    assert "a" in tables(database)


def test_another_error_names_no_such_way_out(project: Project, nself: Nself) -> None:
    project.migration("1", "a", "SELECT nothing;")
    assert "no-transaction" not in in_words(nself("run", "--skip-backup"), 1).err
