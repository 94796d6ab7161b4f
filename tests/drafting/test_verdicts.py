"""The proof on answers written by hand: every wrong one is caught, no right one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from answers_for_tests import CASES, SCHEMA, Answer
from servers_for_tests import ScratchServer, installation

from nself_tasks.database.proof.ground import Ground, prepared_ground
from nself_tasks.database.proof.judging import judged
from nself_tasks.drafting.draft import Draft, Verdict
from nself_tasks.migrations.directory import collect

DOCS = Path(__file__).parents[2] / "docs" / "drafts.md"
ANSWERS = [
    pytest.param(answer, id=f"{case.description}: {answer.why or 'right'}")
    for case in CASES
    for answer in case.answers
]
RIGHT = [p for p in ANSWERS if not p.values[0].why]  # type: ignore[union-attr]
WRONG = [p for p in ANSWERS if p.values[0].why]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def ground(server: ScratchServer) -> Iterator[Ground]:
    """A scratch server of the tests' major version with the schema of the descriptions."""
    migrations = collect([(PurePosixPath("1_schema.sql"), SCHEMA.encode())])
    with prepared_ground(None, migrations, installation=installation(server.kind)) as found:
        yield found


def verdict(ground: Ground, answer: Answer) -> Verdict:
    return judged(ground, Draft("answer", answer.up, answer.down, "", answer.loses))


@pytest.mark.parametrize("answer", RIGHT)
def test_no_right_answer_is_refused(ground: Ground, answer: Answer) -> None:
    found = verdict(ground, answer)
    assert (found.proven, found.faults) == (True, ())


@pytest.mark.parametrize("answer", WRONG)
def test_every_wrong_answer_is_caught(ground: Ground, answer: Answer) -> None:
    found = verdict(ground, answer)
    if answer.seen == "fault":
        assert (found.proven, found.faults != ()) == (False, True)
    else:
        assert getattr(found.observed, answer.seen) != ()


def test_rows_were_planted_in_every_table(ground: Ground) -> None:
    planted = ground.prepared().planted
    assert (len(planted.tables), planted.empty) == (6, ())


def test_nothing_of_a_trial_is_there_in_the_next(ground: Ground) -> None:
    up = "CREATE TABLE left_over (id int); SELECT set_config('app.left', 'over', false);"
    draft = Draft("draft", up, "DROP TABLE left_over;")
    assert [judged(ground, draft).proven for _ in range(2)] == [True, True]


def test_the_page_on_drafts_gives_the_figures(ground: Ground) -> None:
    figures = f"{len(CASES)} descriptions with {len(RIGHT)} right and {len(WRONG)} wrong answers"
    assert figures in " ".join(DOCS.read_text().split())


def test_what_no_row_could_be_planted_in_is_said(server: ScratchServer) -> None:
    odd = "CREATE TABLE odd (id int NOT NULL CHECK (id * id = 1764 AND id > 40), note text);"
    migrations = collect([(PurePosixPath("1_odd.sql"), odd.encode())])
    with prepared_ground(None, migrations, installation=installation(server.kind)) as found:
        up = "ALTER TABLE odd ALTER note SET NOT NULL;"
        draft = Draft("draft", up, "ALTER TABLE odd ALTER note DROP NOT NULL;")
        seen = judged(found, draft).observed.conditional
    assert seen == ("no row could be planted in public.odd, so nothing is known of its rows",)


def test_another_major_version_than_the_databases_is_said(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground, "major", 12)
    monkeypatch.setattr(ground, "is_of_another_major", True)
    draft = Draft("draft", "CREATE TABLE u ();", "DROP TABLE u;")
    [said] = judged(ground, draft).observed.conditional
    assert "the database is PostgreSQL 12" in said


def judged_on(server: ScratchServer, schema: str, up: str, down: str) -> Verdict:
    """The verdict on a draft in another schema than that of the descriptions."""
    migrations = collect([(PurePosixPath("1_schema.sql"), schema.encode())])
    with prepared_ground(None, migrations, installation=installation(server.kind)) as found:
        return judged(found, Draft("draft", up, down))


def test_of_a_partitioned_table_without_rows_it_is_said(server: ScratchServer) -> None:
    parted = (
        "CREATE TABLE ev (id int, at date NOT NULL) PARTITION BY RANGE (at);"
        " CREATE TABLE ev_26 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');"
    )
    up = "ALTER TABLE ev ADD COLUMN kind text NOT NULL; DELETE FROM ev;"
    seen = judged_on(server, parted, up, "ALTER TABLE ev DROP COLUMN kind;").observed
    said = "no row could be planted in public.ev, so nothing is known of its rows"
    assert said in seen.conditional
    assert "ACCESS EXCLUSIVE on public.ev" in seen.locks


MANY = (
    "CREATE TABLE zips (id int PRIMARY KEY, code text);"
    " INSERT INTO zips SELECT i, 'z' || i FROM generate_series(1, 2000) AS i;"
)


def test_every_row_of_a_large_table_counts(server: ScratchServer) -> None:
    up = "DELETE FROM zips WHERE id BETWEEN 1500 AND 1900;"
    assert not judged_on(server, MANY, up, "SELECT 1;").proven


def test_rows_that_move_within_a_large_table_are_the_same_rows(server: ScratchServer) -> None:
    up = "ALTER TABLE zips ADD COLUMN region text; UPDATE zips SET region = 'a' WHERE id < 11;"
    assert judged_on(server, MANY, up, "ALTER TABLE zips DROP COLUMN region;").proven


DETAILS = (
    "CREATE TABLE plain (id int PRIMARY KEY, a int, body text);"
    " CREATE TABLE wide (id int PRIMARY KEY, body text);"
    " ALTER TABLE wide SET (toast.autovacuum_enabled = false);"
    ' CREATE DOMAIN word AS text COLLATE "C";'
    " CREATE PUBLICATION all_of_it FOR TABLE plain;"
)
OF_15 = "ALTER PUBLICATION all_of_it SET TABLE plain (id, a) WHERE (id > 5);"


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("ALTER TABLE wide RESET (toast.autovacuum_enabled);", "SELECT 1;"),
        ("ALTER TABLE plain ALTER body SET COMPRESSION pglz;", "SELECT 1;"),
        ("DROP DOMAIN word;", "CREATE DOMAIN word AS text;"),
        (OF_15, "SELECT 1;"),
        (OF_15, "ALTER PUBLICATION all_of_it SET TABLE plain WHERE (id > 5);"),
        (OF_15, "ALTER PUBLICATION all_of_it SET TABLE plain (id, a);"),
    ],
    ids=["toast", "compression", "collation", "publication", "its columns", "its filter"],
)
def test_a_detail_that_does_not_come_back_is_a_fault(
    server: ScratchServer, up: str, down: str
) -> None:
    found = judged_on(server, DETAILS, up, down)
    assert (found.proven, found.faults[0].stage) == (False, "compare")


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (
            "ALTER TABLE wide RESET (toast.autovacuum_enabled);",
            "ALTER TABLE wide SET (toast.autovacuum_enabled = false);",
        ),
        ("DROP DOMAIN word;", 'CREATE DOMAIN word AS text COLLATE "C";'),
        (OF_15, "ALTER PUBLICATION all_of_it SET TABLE plain;"),
        ("ALTER TABLE plain DROP COLUMN a;", "ALTER TABLE plain ADD COLUMN a int;"),
    ],
    ids=["toast", "collation", "publication", "a column that comes back as the last one"],
)
def test_a_detail_that_comes_back_is_none(server: ScratchServer, up: str, down: str) -> None:
    migrations = collect([(PurePosixPath("1_schema.sql"), DETAILS.encode())])
    with prepared_ground(None, migrations, installation=installation(server.kind)) as found:
        seen = judged(found, Draft("draft", up, down, loses_data=True))
    assert (seen.proven, seen.faults) == (True, ())


PEOPLE = (
    "CREATE TABLE people (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, age int,"
    " status text NOT NULL DEFAULT 'new', country text);"
    " CREATE TABLE visits (id int PRIMARY KEY, by bigint REFERENCES people, note text);"
)
DROP = "ALTER TABLE people DROP CONSTRAINT c;"
COUNTRIES = "CREATE TABLE countries (code text PRIMARY KEY); INSERT INTO countries VALUES ('de');"
REFERS = "FOREIGN KEY (country) REFERENCES countries"
STATUS, NEW = (
    "ALTER TABLE people ALTER status DROP DEFAULT, ALTER status TYPE",
    "ALTER status SET DEFAULT 'new'",
)
UNCHECKED = "ALTER TABLE people ADD CONSTRAINT c CHECK (age < 9) NOT VALID;"
BY_THE_DATA = {
    "a range": ("ALTER TABLE people ADD CONSTRAINT c CHECK (age BETWEEN 0 AND 150);", DROP),
    "a list": ("ALTER TABLE people ADD CONSTRAINT c CHECK (status IN ('new', 'gone'));", DROP),
    "a pattern": ("ALTER TABLE people ADD CONSTRAINT c CHECK (email LIKE '%@%');", DROP),
    "an enum": (
        f"CREATE TYPE st AS ENUM ('new', 'gone'); {STATUS} st USING status::st, {NEW};",
        f"{STATUS} text, {NEW}; DROP TYPE st;",
    ),
    "a foreign key": (
        f"{COUNTRIES} ALTER TABLE people ADD CONSTRAINT c {REFERS};",
        f"{DROP} DROP TABLE countries;",
    ),
}


@pytest.mark.parametrize(("up", "down"), BY_THE_DATA.values(), ids=BY_THE_DATA)
def test_what_only_the_planted_rows_are_against_depends_on_the_data(
    server: ScratchServer, up: str, down: str
) -> None:
    found = judged_on(server, PEOPLE, up, down)
    assert (found.proven, found.faults) == (True, ())
    [said] = [s for s in found.observed.conditional if "is against it" in s]
    assert "it holds where no row of public.people is against it" in said
    assert "lanted" not in said
    assert "7001" not in said


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (
            "ALTER TABLE people ADD COLUMN n int NOT NULL DEFAULT 7 CHECK (n < 5);",
            "ALTER TABLE people DROP COLUMN n;",
        ),
        ("ALTER TABLE people ADD COLUMN n int NOT NULL;", "ALTER TABLE people DROP COLUMN n;"),
        (BY_THE_DATA["a range"][0], "SELECT 1;"),
        (
            BY_THE_DATA["a range"][0] + " DELETE FROM visits;",
            DROP,
        ),
        (f"{UNCHECKED} UPDATE people SET age = 12;", DROP),
    ],
    ids=["a default of its own", "no default", "down forgets it", "a loss beside it", "an update"],
)
def test_what_is_wrong_with_any_rows_is_a_fault(server: ScratchServer, up: str, down: str) -> None:
    found = judged_on(server, PEOPLE, up, down)
    assert (found.proven, found.faults != ()) == (False, True)
