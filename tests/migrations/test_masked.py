"""SQL as people see it: what stands before a literal tells that it is a secret."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nself_tasks.migrations.masked import (
    masked_difference,
    masked_excerpt,
    masked_script,
    masked_statement,
)
from nself_tasks.migrations.script import parse
from nself_tasks.migrations.source import text_checksum
from nself_tasks.model import Script, SourceFile

SECRET = "hidden-one"
HOLDING = (
    f"ALTER ROLE ada PASSWORD /* new */ '{SECRET}';",
    f"ALTER ROLE ada\n  PASSWORD\n\n  -- new\n  '{SECRET}'\n  LOGIN;",
    f"ALTER ROLE ada PASSWORD 'first\n{SECRET} second';",
    f"ALTER ROLE ada PASSWORD E'it\\'s {SECRET}';",
    f"ALTER ROLE ada PASSWORD U&'{SECRET}';",
    f"ALTER ROLE ada PASSWORD $x${SECRET}$x$;",
    f"ALTER ROLE ada PASSWORD 'it''s {SECRET}';",
    f"ALTER ROLE ada PASSWORD 'a'\n  '{SECRET}';",
    f"ALTER ROLE ada PASSWORD '{SECRET}",
    f"ALTER DATABASE shop SET \"app.jwt_secret\" TO '{SECRET}';",
    f"ALTER ROLE ada IN DATABASE shop SET app.api_key = '{SECRET}';",
    f"SET app.api_key TO {SECRET.replace('-', '')}, '{SECRET}';",
    f"SET LOCAL app.api_key = '{SECRET}';",
    f"SELECT set_config('app.jwt_secret', '{SECRET}', false);",
    f"SELECT pg_catalog.set_config(new_value => '{SECRET}', setting_name => 'app.jwt_secret');",
    f"DO $$BEGIN EXECUTE 'ALTER ROLE ada PASSWORD ''{SECRET}'''; END$$;",
    f"DO $$BEGIN ALTER ROLE ada PASSWORD $p${SECRET}$p$; END$$;",
    f"CREATE USER MAPPING FOR ada SERVER far OPTIONS (user 'a', password '{SECRET}');",
    f"UPDATE account SET api_key = '{SECRET}' WHERE id = 1;",
    f"-- was: ALTER ROLE ada PASSWORD '{SECRET}'\nSELECT 1;",
)
ORDINARY = (
    "CREATE TABLE account (password text NOT NULL DEFAULT '', token uuid);",
    "CREATE UNIQUE INDEX k ON account (api_key) WHERE key = 'a';",
    "ALTER TABLE account ADD COLUMN secret text DEFAULT 'none';",
    "COMMENT ON COLUMN account.password IS 'the hashed password';",
    "INSERT INTO message VALUES ('reset password'), ('wrong token');",
    "ALTER DATABASE shop SET search_path TO app, public;",
    "SELECT set_config('search_path', 'app', false);",
    "SELECT 'no password' AS said; -- nor a key",
)


def script(sql: str) -> Script:
    return parse(SourceFile(PurePosixPath("1_a.sql"), sql, text_checksum(sql)))


@pytest.mark.parametrize("sql", HOLDING)
def test_a_secret_is_hidden_in_a_statement(sql: str) -> None:
    assert SECRET not in masked_statement(sql)
    assert SECRET.replace("-", "") not in masked_statement(sql)


@pytest.mark.parametrize("sql", HOLDING)
def test_a_secret_is_hidden_in_a_file(sql: str) -> None:
    masked = masked_script(f"SELECT 1;\n{sql}\n")
    assert SECRET not in masked
    assert masked.startswith("SELECT 1;\n")


@pytest.mark.parametrize("sql", [sql for sql in HOLDING if sql.endswith(";")])
def test_a_secret_is_hidden_in_the_lines_around_any_place(sql: str) -> None:
    text = f"SELECT 1;\n{sql}\nSELECT 2;\n"
    for offset in range(len(text)):
        assert SECRET not in masked_excerpt(script(text), offset), offset


@pytest.mark.parametrize("sql", ORDINARY)
def test_what_is_no_secret_is_shown(sql: str) -> None:
    assert masked_script(sql) == masked_statement(sql) == sql


def test_a_long_line_is_masked_before_it_is_cut() -> None:
    text = f"ALTER ROLE ada PASSWORD '{'x' * 300}{SECRET}{'x' * 300}' nonsense;"
    shown = [masked_excerpt(script(text), at) for at in range(0, len(text), 7)]
    assert [lines for lines in shown if "xx" in lines or SECRET in lines] == []


def test_a_known_secret_with_line_breaks_is_hidden_in_each_of_its_lines() -> None:
    text = "INSERT INTO certificate VALUES ('first-part\nsecond-part');\n"
    shown = masked_excerpt(script(text), 5, ["first-part\nsecond-part"])
    assert "first-part" not in shown
    assert "second-part" not in shown


def test_a_difference_in_a_secret_alone_is_told_without_it() -> None:
    before, after = (f"ALTER ROLE ada PASSWORD '{SECRET}{n}';\n" for n in (1, 2))
    shown = masked_difference(before, after, "as applied", "1_a.sql")
    assert shown.splitlines()[-1] == "only a secret, masked as ***, differs"
    assert SECRET not in shown


def test_texts_that_are_the_same_differ_in_nothing() -> None:
    sql = f"ALTER ROLE ada PASSWORD '{SECRET}';\n"
    assert masked_difference(sql, sql, "a", "b") == ""


PIECES = ("PASSWORD", " ", "'", "''", "\n", "$x$", "$$", "E'", "\\", "--", "/*", "*/", "a", "=")


@given(st.lists(st.sampled_from((*PIECES, ";", "set_config(", ",", ")", "SET api_key TO ", '"'))))
def test_a_masked_text_keeps_its_lines(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert masked_script(text).count("\n") == text.count("\n")
