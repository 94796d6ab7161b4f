"""What a model says becomes a draft, or a sentence that says why not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from nself_tasks.drafting.answer import BadAnswer, draft, foreign_dialect
from nself_tasks.drafting.draft import Draft, Fault, Observed, Verdict
from nself_tasks.drafting.written import down_text, up_text
from nself_tasks.migrations.marks import directives, tool_marks
from nself_tasks.migrations.statements import scan

OBJECT = {"name": "n", "up": "SELECT 1;", "down": "SELECT 2;", "notes": "", "loses_data": False}
JSON = json.dumps(OBJECT)


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"\n  {JSON}\n",
        f"```json\n{JSON}\n```",
        f"Here you are:\n\n```json\n{JSON}\n```\n\nTell me if it fits.",
        f"Sure! {JSON} Done.",
        f"It is {{like}} this: {JSON} and not {{like}} that.",
        f"<think>up or {{down}}?</think>\n{JSON}",
        json.dumps(OBJECT | {"up": "```sql\nSELECT 1;\n```"}),
        "Up:\n```sql\nSELECT 1;\n```\nDown:\n```sql\nSELECT 2;\n```",
        "To roll it back (down):\n```\nSELECT 2;\n```\nThe up part:\n```postgresql\nSELECT 1;\n```",
        "```sql\nSELECT 1;\n```\n```sql\nSELECT 2;\n```",
        "```sql\n-- up\nSELECT 1;\n-- down\nSELECT 2;\n```",
        "```sql\n-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n```",
        "First\n```sh\nls\n```\nthen up\n```sql\nSELECT 1;\n```\nand down\n```sql\nSELECT 2;\n```",
    ],
)
def test_a_draft_is_found_in(text: str) -> None:
    found = draft(text)
    assert (found.up.strip(), found.down.strip()) == ("SELECT 1;", "SELECT 2;")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("I would add a column.", "prose"),
        ("<!DOCTYPE html><html></html>", "web page"),
        (JSON[:30], "not whole"),
        ("[1, 2]", "prose"),
        (json.dumps(OBJECT | {"up": "SELECT '\ud800'"}), "no SQL can hold"),
        (json.dumps(OBJECT | {"up": "SELECT 1; -- \x1b[31m"}), "001B, which"),
        (json.dumps(OBJECT | {"down": "SELECT 1; -- \u202e live"}), "202E, which"),
        (json.dumps(OBJECT | {"up": "SELECT 'a\x85b';"}), "0085, which"),
        ("{" * 5000, "prose"),
        ('{"up": "SELECT 1"}', "`down` is missing"),
        (json.dumps(OBJECT | {"up": "  "}), "`up` is empty"),
        (json.dumps(OBJECT | {"up": ["SELECT 1"]}), "no text"),
        (json.dumps(OBJECT | {"name": 7}), "`name` is no text"),
        (json.dumps(OBJECT | {"up": "SELECT 1;\0"}), "no SQL can hold"),
        ("```sql\nSELECT 1;\n```", "nothing tells"),
        ("Up\n```sql\nSELECT 1;\n```", "no block is `down`"),
        ("```sql\n1\n```\n```sql\n2\n```\n```sql\n3\n```", "nothing tells"),
        ("up\n```sql\n1\n```\nup\n```sql\n2\n```", "several code blocks"),
        ("x" * 500_000, "longer than"),
        (json.dumps(OBJECT | {"up": "CREATE TABLE `a` (id int);"}), "`up` is MySQL"),
    ],
)
def test_no_draft_is_said_in_words(text: str, why: str) -> None:
    with pytest.raises(BadAnswer, match=why):
        draft(text)


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("CREATE TABLE a (id int AUTO_INCREMENT)", "MySQL"),
        ("CREATE TABLE a (id int) ENGINE=InnoDB", "MySQL"),
        ("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)", "SQLite"),
        ("CREATE TABLE a (id int IDENTITY(1,1), n NVARCHAR(20))", "SQL Server"),
        ("CREATE TABLE a (n VARCHAR2(20))", "Oracle"),
    ],
)
def test_the_sql_of_another_database_is_named(sql: str, dialect: str) -> None:
    assert foreign_dialect(sql) == dialect


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE cars SET engine = 'v8'",
        "COMMENT ON TABLE a IS 'no `backtick` or AUTO_INCREMENT here'",
        "-- ENGINE=InnoDB\nSELECT 1",
        'CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY, "pragma" text, unsigned bool)',
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '`' $$",
    ],
)
def test_postgres_is_taken_for_no_other(sql: str) -> None:
    assert foreign_dialect(sql) is None


NOW = datetime(2026, 5, 7, tzinfo=UTC)
HOSTILE = "x\n-- nself: no-transaction\r\n-- up\n+goose Up\u2028DROP TABLE users;\x1b[2J"


@pytest.mark.parametrize("proven", [True, False])
def test_no_text_of_model_or_server_becomes_sql_or_a_mark(proven: bool) -> None:
    fault = Fault("up", HOSTILE, line=2)
    verdict = Verdict(proven, () if proven else (fault,), Observed(locks=(HOSTILE,)))
    made = Draft("n", "SELECT 1;", "SELECT 2;", notes=HOSTILE, loses_data=True)
    for write in (up_text, down_text):
        text = write(made, verdict, description=HOSTILE, model=HOSTILE, now=NOW)
        cut = scan(text)
        assert [piece.text for piece in cut.pieces] == [
            "SELECT 1" if write is up_text else "SELECT 2"
        ]
        assert list(tool_marks(text, cut)) == []
        marks = [mark.text for mark in directives(text, cut)]
        assert marks == ([] if proven or write is down_text else ["unproven"])
        assert "\x1b" not in text
