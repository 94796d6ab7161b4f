"""What every command has to end in, whatever a project holds, and a folder that is not ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
from observation import folder_tree
from servers_for_tests import Nself, Result

OUR_FAULT = ("Traceback", "this is a fault of")
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal would obey, but for line breaks and tabs."""


def in_words(result: Result, *codes: int) -> Result:
    """The result of a command that ended in a sentence, and with one of these codes."""
    said = result.out + result.err
    assert result.code in (codes or (0, 1, 2)), said
    assert not any(fault in said for fault in OUR_FAULT), said
    assert not RAW.search(said), repr(said)
    if result.code in (1, 2) and not result.out.startswith("{"):
        assert "error: " in said, said
    return result


def contents(folder: Path) -> dict[str, object]:
    """A folder with all that is in it, links not followed."""
    return dict(folder_tree(folder))


def every_command(nself: Nself, *more: str) -> list[Result]:
    """What the commands that look and the one that changes files end with."""
    commands = (
        ["detect", "--verbose"],
        ["status"],
        ["run", "--dry-run", "--diff", "--files-only"],
        ["run", "--files-only", "--yes", "--lock-wait", "1"],
        ["rollback", "--files", "--force-files"],
    )
    return [in_words(nself(*command, *more)) for command in commands]


def rows(url: str, query: str) -> list[Any]:
    """The first column of a query's rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        return [row[0] for row in connection.execute(query.encode()).fetchall()]


def tables(url: str) -> list[str]:
    """The names of all tables but our own."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    return [name for name in rows(url, query) if not name.startswith("_nself")]
