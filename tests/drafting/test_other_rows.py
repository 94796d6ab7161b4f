"""The proof with rows that are long, large or looked for: what three ordinary rows do not show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from servers_for_tests import ScratchServer, installation

from nself_tasks.database.proof.ground import Ground, prepared_ground
from nself_tasks.database.proof.judging import judged
from nself_tasks.drafting.draft import Draft, Verdict
from nself_tasks.migrations.directory import collect

SCHEMA = """
CREATE TABLE owners (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE shops (
  id int PRIMARY KEY, owner int REFERENCES owners,
  email text NOT NULL UNIQUE CHECK (email LIKE '%@%'), motto varchar(255), about text,
  weight real, rating double precision, price numeric, visits int, views bigint,
  status text NOT NULL DEFAULT 'open', "Kind" text, is_old boolean NOT NULL DEFAULT false
);
"""


@pytest.fixture(scope="module")
def ground(server: ScratchServer) -> Iterator[Ground]:
    migrations = collect([(PurePosixPath("1_schema.sql"), SCHEMA.encode())])
    with prepared_ground(None, migrations, installation=installation(server.kind)) as found:
        yield found


def verdict(ground: Ground, up: str, down: str, *, loses: bool = False) -> Verdict:
    return judged(ground, Draft("draft", up, down, loses_data=loses))


def to(column: str, kind: str, using: str = "") -> str:
    return f"ALTER TABLE shops ALTER {column} TYPE {kind}{using and ' USING ' + using};"


LOSSES = {
    "a real without its fraction": (to("weight", "int"), to("weight", "real")),
    "a double without its fraction": (to("rating", "bigint"), to("rating", "float8")),
    "a numeric without its fraction": (to("price", "int"), to("price", "numeric")),
    "a cut text": ("UPDATE shops SET about = left(about, 80);", "SELECT 1;"),
    "a cut text with a check": ("UPDATE shops SET email = left(email, 80);", "SELECT 1;"),
    "a cut varchar": (to("motto", "varchar(100)", "left(motto, 100)"), to("motto", "varchar(255)")),
    "a numeric cut to a small one": (
        to("visits", "smallint", "least(visits, 30000)::smallint"),
        to("visits", "int"),
    ),
    "rows of a status": ("DELETE FROM shops WHERE status = 'gone';", "SELECT 1;"),
    "rows of a quoted column": ("""DELETE FROM shops WHERE "Kind" IN ('kiosk');""", "SELECT 1;"),
    "rows that are old": ("DELETE FROM shops WHERE is_old = true;", "SELECT 1;"),
    "rows above a number": ("DELETE FROM shops WHERE visits > 900000;", "SELECT 1;"),
    "rows like a pattern": ("DELETE FROM shops WHERE about LIKE 'tmp%';", "SELECT 1;"),
    "rows of two columns": (
        "DELETE FROM shops WHERE status = 'gone' AND visits < 7;",
        "SELECT 1;",
    ),
    "a status that is put together with another": (
        "UPDATE shops SET status = 'open' WHERE status = 'ajar';",
        "SELECT 1;",
    ),
}


@pytest.mark.parametrize(("up", "down"), LOSSES.values(), ids=LOSSES)
def test_a_loss_that_only_some_rows_show_is_caught(ground: Ground, up: str, down: str) -> None:
    found = verdict(ground, up, down)
    assert (found.proven, [fault.stage for fault in found.faults]) == (False, ["rows"])


@pytest.mark.parametrize(("up", "down"), list(LOSSES.values())[-7:], ids=list(LOSSES)[-7:])
def test_the_same_loss_is_none_when_it_is_declared(ground: Ground, up: str, down: str) -> None:
    found = verdict(ground, up, down, loses=True)
    assert (found.proven, found.observed.conditional) == (True, ())
    assert found.observed.losing != ()


NARROWER = {
    "a text": (to("about", "varchar(120)"), to("about", "text"), "such texts are short"),
    "an int": (to("visits", "smallint"), to("visits", "int"), "such numbers are small"),
    "a bigint": (to("views", "int"), to("views", "bigint"), "such numbers are small"),
}


@pytest.mark.parametrize(("up", "down", "said"), NARROWER.values(), ids=NARROWER)
def test_a_narrower_type_depends_on_the_data(ground: Ground, up: str, down: str, said: str) -> None:
    found = verdict(ground, up, down)
    assert (found.proven, found.faults) == (True, ())
    [condition] = found.observed.conditional
    assert condition.endswith(f"it holds where {said}")


RIGHT = {
    "a text as long as most allow": (to("about", "varchar(400)"), to("about", "text")),
    "an email as long as most allow": (to("email", "varchar(255)"), to("email", "text")),
    "a wider number": (to("visits", "bigint"), to("visits", "int")),
    "cents": (
        to("price", "bigint", "(price * 100)::bigint"),
        to("price", "numeric", "price / 100.0"),
    ),
    "a status with another name": (
        "UPDATE shops SET status = 'closed' WHERE status = 'shut';",
        "UPDATE shops SET status = 'shut' WHERE status = 'closed';",
    ),
    "every row": ("UPDATE shops SET visits = visits + 1;", "UPDATE shops SET visits = visits - 1;"),
    "an insert": (
        "INSERT INTO owners VALUES (1, 'a');",
        "DELETE FROM owners WHERE id = 1;",
    ),
}


@pytest.mark.parametrize(("up", "down"), RIGHT.values(), ids=RIGHT)
def test_what_suits_long_and_large_rows_depends_on_nothing(
    ground: Ground, up: str, down: str
) -> None:
    found = verdict(ground, up, down)
    assert (found.proven, found.faults, found.observed.conditional) == (True, (), ())


def test_what_met_no_row_at_all_is_said(ground: Ground) -> None:
    up = "DELETE FROM shops WHERE owner = 12 AND length(about) > 4000;"
    found = verdict(ground, up, "SELECT 1;")
    assert found.proven
    assert found.observed.conditional == (
        "up, line 1: the DELETE met no planted row, so nothing is known of what it does",
    )


def test_rows_that_cannot_be_as_looked_for_change_nothing(ground: Ground) -> None:
    up = "UPDATE shops SET email = 'a@b' WHERE email = 'nobody';"
    found = verdict(ground, up, "SELECT 1;")
    assert found.proven
    [said] = found.observed.conditional
    assert "the UPDATE met no planted row" in said
