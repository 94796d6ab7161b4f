"""Statements that fail with a secret in them: neither the error nor a difference shows it."""

from __future__ import annotations

import pytest
from servers_for_tests import Nself, Project

SECRET = "hidden-one"
FAILING = {
    "two lines": f"CREATE ROLE shop\n  LOGIN\n  PASSWORD\n    '{SECRET}'\n  VALID UNTIL 'never' x;",
    "comment": f"ALTER ROLE nobody PASSWORD /* rotated */ '{SECRET}';",
    "line break in it": f"ALTER ROLE nobody PASSWORD 'first\n{SECRET} second';",
    "escapes": f"ALTER ROLE nobody PASSWORD E'\\t{SECRET}';",
    "dollar quotes": f"DO $$BEGIN ALTER ROLE nobody PASSWORD $x${SECRET}$x$; END$$;",
    "dynamic": f"DO $$BEGIN EXECUTE 'ALTER ROLE nobody PASSWORD ''{SECRET}'''; END$$;",
    "setting of a role": f"ALTER ROLE nobody SET app.api_key TO '{SECRET}';",
    "setting of a database": f"ALTER DATABASE nowhere SET \"app.jwt_secret\" TO '{SECRET}';",
    "set_config": f"SELECT set_config('app.jwt_secret', '{SECRET}', 'perhaps');",
    "no literal": f"SET app.api_key TO {SECRET.replace('-', '_')} nonsense;",
}
ENVIRONMENT = {
    "line breaks": ('CERTIFICATE_KEY="first-part\nsecond-part"\n', ("first-part", "second-part")),
    "in a URL": ("GATE_SECRET='pa ss\"w0rd+x'\n", ("pa+ss%22w0rd%2Bx", "pa%20ss%22w0rd%2Bx")),
}


@pytest.mark.parametrize("sql", FAILING.values(), ids=FAILING)
def test_a_literal_of_a_statement_that_fails_is_not_shown(
    sql: str, project: Project, nself: Nself
) -> None:
    project.migration("1", "a", sql)
    for how in ((), ("--json",), ("--dry-run", "--sql")):
        result = nself("run", "--skip-backup", *how)
        assert result.code == (0 if "--sql" in how else 1)
        assert SECRET not in result.out + result.err
        assert SECRET.replace("-", "_") not in result.out + result.err
        assert "***" in result.out + result.err


@pytest.mark.parametrize(("line", "shown"), ENVIRONMENT.values(), ids=ENVIRONMENT)
def test_a_secret_of_the_env_files_is_not_shown_in_any_form(
    line: str, shown: tuple[str, ...], project: Project, nself: Nself
) -> None:
    with (project.root / ".env").open("a") as file:
        file.write(line)
    text = "\n".join(shown)
    project.migration("1", "a", f"INSERT INTO nowhere VALUES ('{text}');")
    result = nself("run", "--skip-backup")
    assert "nowhere" in result.err
    assert [part for part in shown if part in result.out + result.err] == []


def test_the_difference_to_what_was_applied_shows_no_literal(
    project: Project, nself: Nself
) -> None:
    setting = "SELECT set_config('app.jwt_secret', '{}', true);\n"
    project.migration("1", "a", setting.format(SECRET + "1") + "SELECT 1;\n")
    assert nself("run", "--skip-backup").code == 0
    project.migration("1", "a", setting.format(SECRET + "2") + "SELECT 2;\n")
    result = nself("status", "--verbose")
    assert "+SELECT 2;" in result.out
    assert SECRET not in result.out + result.err
