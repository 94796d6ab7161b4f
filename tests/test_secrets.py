"""What is hidden from people and files, and what is left readable."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nself_tasks.secrets import but_words, is_secret_name, mask, mask_url

HIDDEN = [
    ("url", "postgres://ada:hunter2@db/shop"),
    ("url with @ and / in the password", "postgres://ada:hun@ter2/hunter2@db/shop"),
    ("url in a sentence", "cannot reach `postgresql://ada:hunter2@db:5432/shop`, is it up?"),
    ("url of another service", "redis://:hunter2@cache:6379"),
    ("password in the query", "postgres://db/shop?user=ada&password=hunter2"),
    ("sslpassword in the query", "postgres://db/shop?sslpassword=hunter2&sslmode=require"),
    ("conninfo", "host=db password=hunter2 user=ada"),
    ("conninfo with blanks", "host=db password = 'hunter2 and more'"),
    ("conninfo with an escaped quote", r"password='it\'s hunter2' host=db"),
    ("env line", "POSTGRES_PASSWORD=hunter2"),
    ("env line of a key", "HASURA_JWT_KEY=hunter2"),
    ("env line in quotes", 'export AUTH_SECRET="hunter2 hunter2"'),
    ("compose line", "POSTGRES_PASSWORD: hunter2"),
    ("json", '{"password": "hunter2", "user": "ada"}'),
    ("create role", "CREATE ROLE ada LOGIN PASSWORD 'hunter2'"),
    ("alter role", "ALTER ROLE ada ENCRYPTED PASSWORD 'it''s hunter2';"),
    ("E string", r"ALTER ROLE ada PASSWORD E'a\'hunter2'"),
    ("dollar quotes", "ALTER ROLE ada PASSWORD $$hunter2$$"),
    ("tagged dollar quotes", "alter role ada password $pw$a $$ hunter2$pw$"),
    ("literal that was cut off", "ALTER ROLE ada PASSWORD 'hunter2"),
    ("dollar quotes that were cut off", "ALTER ROLE ada PASSWORD $$hunter2"),
    ("update", "UPDATE users SET password = 'hunter2' WHERE id = 1"),
]

READABLE = [
    "postgres://ada@db/shop",
    "postgres://db/shop?sslmode=require",
    "SELECT a.key, b.key FROM a JOIN b ON a.key = b.key",
    "CREATE TABLE t (id int PRIMARY KEY, password text NOT NULL)",
    "ALTER ROLE ada PASSWORD NULL",
    "wrong password: try again",
    "token_checksum = 5",
    "PROJECT_NAME=bookshop",
    "monkey=1",
    "https://docs.nself.org/commands/migrate#run",
    "ada@example.org wrote: see backend/migrations/20260105090000_x.sql:12",
]


@pytest.mark.parametrize("text", [t for _, t in HIDDEN], ids=[name for name, _ in HIDDEN])
def test_is_hidden(text: str) -> None:
    assert "hunter2" not in mask(text)


@pytest.mark.parametrize("text", READABLE)
def test_is_left_readable(text: str) -> None:
    assert mask(text) == text


def test_only_the_password_of_a_url_is_hidden() -> None:
    assert mask_url("postgres://ada:pw@db:5432/shop?a=b") == "postgres://ada:***@db:5432/shop?a=b"


def test_what_follows_a_sql_password_stays() -> None:
    assert mask("ALTER ROLE a PASSWORD 'pw' VALID UNTIL 'x'") == (
        "ALTER ROLE a PASSWORD *** VALID UNTIL 'x'"
    )


def test_json_stays_json() -> None:
    assert mask('{"password":"pw","u":1}') == '{"password":"***","u":1}'


def test_a_known_secret_is_hidden_anywhere() -> None:
    assert mask("server said: tiger-lily is wrong", ["tiger-lily"]) == "server said: *** is wrong"


def test_a_known_secret_is_hidden_as_urls_write_it() -> None:
    assert "p%40ss" not in mask("asked for p%40ss%2Fword", ["p@ss/word"])


def test_a_longer_secret_leaves_nothing_behind_when_a_shorter_begins_it() -> None:
    assert mask("tiger-lily", ["tiger", "tiger-lily"]) == "***"


def test_a_word_that_stands_in_the_open_anyway_is_no_secret_to_hide() -> None:
    assert but_words(["shop", "Zk3-tiger-lily-2"], ["Shop", "users"]) == ("Zk3-tiger-lily-2",)


@pytest.mark.parametrize("secret", ["s3cr3t with blanks", "a" * 25, "x:y", "1234"])
def test_what_is_no_word_is_hidden_wherever_it_stands(secret: str) -> None:
    assert but_words([secret], [secret]) == (secret,)


@pytest.mark.parametrize("secret", ["", "a", "abc", "postgres", "password"])
def test_a_secret_that_is_everywhere_anyway_does_not_garble_the_text(secret: str) -> None:
    text = "the database postgres of abc refused the password"
    assert mask(text, [secret]) == text


@pytest.mark.parametrize(
    "name", ["POSTGRES_PASSWORD", "PGPASSWORD", "JWT_KEY", "apiKey", "API_KEY"]
)
def test_a_secret_name(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["PROJECT_NAME", "key", "keyboard", "compass", "POSTGRES_USER"])
def test_no_secret_name(name: str) -> None:
    assert not is_secret_name(name)


PIECES = [
    "password",
    "PASSWORD",
    "=",
    ":",
    " ",
    "'",
    '"',
    "$",
    "$a$",
    "://",
    "@",
    "x",
    "\\",
    "KEY",
    "?",
]


@given(st.lists(st.sampled_from(PIECES)).map("".join), st.lists(st.text(max_size=6), max_size=3))
def test_masking_never_fails_and_ends(text: str, secrets: list[str]) -> None:
    mask(text, secrets)


@given(st.text(alphabet=st.characters(categories=["L", "Nd"]), min_size=4))
def test_a_url_password_never_survives(password: str) -> None:
    assert mask_url(f"postgres://u:{password}@h/d") == "postgres://u:***@h/d"


@pytest.mark.parametrize(
    "piece",
    [
        "KEY",
        "://a:",
        "password $a$",
        "password '",
        "PASS=",
        "PASSWORD \\",
        "'",
        "a ",
        "key ",
        "?password=",
    ],
)
def test_the_time_is_linear(piece: str) -> None:
    began = time.process_time()
    mask(piece * 100_000)
    assert time.process_time() - began < 3
