"""What leaves the machine: the shape of the schema that matters, no row and no secret."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from model_for_tests import Model, answers, says
from observation import violations
from operator_environment import ai
from servers_for_tests import Nself, Project

GOOD = answers("ALTER TABLE users ADD COLUMN note text;", "ALTER TABLE users DROP COLUMN note;")
SECRETS = (
    "planted-env-password",
    "planted-prod-token",
    "planted-url-password",
    "planted-process-secret",
    "planted-row-value",
    "planted-comment-word",
    "planted-default-value",
    "planted-policy-literal",
    "ghp_planted0123456789abcdefABCDEF012345",
    "planted-function-body",
    "planted-view-literal",
    "planted-file-comment",
    "planted-insert-value",
    "planted-do-literal",
    "planted-role-password",
)
SCHEMA = """
-- the password of the mail account is planted-file-comment
CREATE TABLE accounts (id bigint PRIMARY KEY, api_token text DEFAULT 'planted-default-value');
CREATE TABLE notes (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id),
    body text DEFAULT 'ghp_planted0123456789abcdefABCDEF012345',
    kind text CHECK (kind IN ('short', 'long'))
);
COMMENT ON TABLE notes IS 'the password is planted-comment-word';
COMMENT ON COLUMN notes.kind IS 'what planted-env-password opens';
COMMENT ON COLUMN notes.body IS 'what the author wrote';
INSERT INTO accounts VALUES (1, 'planted-row-value');
INSERT INTO notes VALUES (1, 1, 'planted-insert-value', 'short');
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (
    account_id = current_setting('app.account')::bigint
    OR current_setting('app.secret_token') = 'planted-policy-literal'
);
CREATE VIEW loud AS SELECT id, 'planted-view-literal'::text AS shout FROM notes;
CREATE FUNCTION touch() RETURNS text LANGUAGE sql AS $$SELECT 'planted-function-body'$$;
DO $$BEGIN PERFORM 'planted-do-literal'; END$$;
-- ALTER ROLE mailer PASSWORD 'planted-role-password';
"""


def planted(project: Project) -> dict[str, str]:
    """Env files and a process environment with secrets in them."""
    project.write(".env", "PROJECT_NAME=demo\nPOSTGRES_PASSWORD=planted-env-password\n")
    project.write(".env.prod", "STRIPE_TOKEN=planted-prod-token\n")
    project.write(".env.staging", "SOME_URL=https://ada:planted-url-password@host/x\n")
    return {"MAIL_SECRET": "planted-process-secret"}


def leaked(model: Model) -> list[str]:
    return [word for word in SECRETS for raw in model.raw if word.encode() in raw]


def said(model: Model) -> str:
    return str(model.requests[0]["messages"][1]["content"])


@pytest.fixture
def secretive(nself: Nself, model: Model, project: Project) -> Nself:
    """The command with a database, a model, and secrets wherever there can be some."""
    project.migration("20260101000000", "notes", SCHEMA, "SELECT 1;")
    nself.environment.update(ai(model) | planted(project))
    return nself


DESCRIPTION = (
    "add a note to notes; planted-env-password planted-prod-token planted-url-password"
    " planted-process-secret; role PASSWORD 'planted-role-password'"
)


def test_no_secret_of_env_files_database_or_comments_is_sent(
    secretive: Nself, model: Model, database: str
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(SCHEMA)
    model.plays = [says("nothing"), GOOD]
    result = secretive("generate", DESCRIPTION)
    assert result.code == 0, result.err
    assert len(model.requests) == 2
    assert leaked(model) == []
    assert "The schema, from the database" in said(model)
    assert "account_id bigint not null" in said(model)
    assert "kind text" in said(model)
    assert "-- what the author wrote" in said(model)
    assert "current_setting(" in said(model)
    assert [word for word in SECRETS if word in result.out + result.err] == []


def test_no_secret_of_the_migration_files_is_sent(
    secretive: Nself, model: Model, database: str
) -> None:
    model.plays = [GOOD]
    secretive.environment["DATABASE_URL"] = "postgresql://u@127.0.0.1:9/x"
    assert secretive("generate", DESCRIPTION).code == 0
    assert leaked(model) == []
    assert "The schema, from the text of the migrations" in said(model)
    assert "account_id bigint NOT NULL REFERENCES accounts(id)" in said(model)


def test_a_password_that_is_a_name_of_the_schema_leaves_paths_and_prompt_whole(
    nself: Nself, model: Model, project: Project
) -> None:
    schema = "CREATE TABLE orders (id bigint PRIMARY KEY, customer text);"
    project.migration("20260101000000", "orders", schema, "DROP TABLE orders;")
    words = "PROJECT_NAME=shop\nPOSTGRES_DB=shop\nPOSTGRES_PASSWORD=shop\nMAIL_PASSWORD=orders\n"
    project.write(".env", f"{words}STRIPE_TOKEN=planted-env-password\n")
    nself.environment.update(ai(model) | {"DATABASE_URL": "postgresql://u:shop@127.0.0.1:9/x"})
    model.plays = [
        answers("ALTER TABLE orders ADD note text;", "ALTER TABLE orders DROP COLUMN note;")
    ]
    result = nself("generate", "add a note to orders of the shop", "--json")
    assert result.code == 0, result.err
    assert "add a note to orders of the shop" in said(model)
    assert "customer text" in said(model)
    assert leaked(model) == []
    assert "***" not in result.out.replace("u:***@127.0.0.1", "")


HOLDING = """
CREATE TABLE accounts (id bigint PRIMARY KEY, api_token text DEFAULT 'planted-default-value');
CREATE TABLE notes (id bigint PRIMARY KEY);
COMMENT ON TABLE notes IS 'the password is planted-comment-word';
INSERT INTO accounts VALUES (1, 'planted-row-value');
CREATE VIEW loud AS SELECT id, 'planted-view-literal'::text AS shout FROM notes;
CREATE FUNCTION touch() RETURNS text LANGUAGE sql AS $$SELECT 'planted-function-body'$$;
"""
BODY = "(SELECT prosrc FROM pg_proc WHERE proname = 'touch')"
ROWS = "(SELECT string_agg(a::text, ' ') FROM accounts AS a)"
CURIOUS = (
    "SELECT api_token::integer FROM accounts;",
    "SELECT api_token::regclass FROM accounts;",
    "CREATE TABLE a (x text UNIQUE); INSERT INTO a SELECT api_token FROM accounts, notes;",
    f"DO $$BEGIN RAISE EXCEPTION '%', {ROWS} || {BODY}; END$$;",
    f"DO $$BEGIN RAISE undefined_table USING MESSAGE = {ROWS} || {BODY}; END$$;",
    "DO $$BEGIN EXECUTE format('CREATE TABLE %I ()', (SELECT api_token FROM accounts)); END$$;",
    "CREATE OR REPLACE FUNCTION touch() RETURNS text LANGUAGE sql AS 'SELECT $a$x$a$';",
    "COMMENT ON TABLE notes IS NULL;",
    "CREATE OR REPLACE VIEW loud AS SELECT id, 'x'::text AS shout FROM notes;",
    "ALTER TABLE accounts ALTER api_token DROP DEFAULT;",
)


@pytest.mark.parametrize("up", CURIOUS)
def test_what_is_said_of_a_failed_draft_reveals_nothing(
    up: str, proving: Nself, model: Model, project: Project
) -> None:
    project.migration("20260102000000", "accounts", HOLDING, "SELECT 1;")
    model.plays = [answers(up, "SELECT 1;"), GOOD]
    result = proving("generate", "add a note to users")
    assert result.code == 0, result.err
    assert len(model.requests) == 2
    assert leaked(model) == []


def test_only_the_catalog_is_read_and_nothing_is_written(
    secretive: Nself, model: Model, database: str
) -> None:
    model.plays = [GOOD]
    assert secretive("generate", "add a note to notes").code == 0
    with psycopg.connect(database) as connection:
        tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert connection.execute(tables).fetchone() == (0,)


def test_what_is_pending_is_part_of_the_schema(
    nself: Nself, model: Model, with_users: Project, database: str
) -> None:
    assert nself("run", "--skip-backup").code == 0
    with_users.migration("20260102000000", "phones", "ALTER TABLE users ADD COLUMN phone text;")
    model.plays = [GOOD]
    assert nself("generate", "add a note to users", environment=ai(model)).code == 0
    assert "The schema, from the database, with 1 pending migration" in said(model)
    assert "email text not null" in said(model)
    assert "phone text" in said(model)
    assert "_nself_migrations" not in said(model)


def test_all_sorts_of_things_are_read_from_the_catalog(
    nself: Nself, model: Model, database: str
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            """
            CREATE TYPE mood AS ENUM ('glad', 'sad');
            CREATE TABLE parents (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
            CREATE TABLE children (
                parent_id int NOT NULL REFERENCES parents (id),
                felt mood DEFAULT 'glad',
                twice int GENERATED ALWAYS AS (parent_id * 2) STORED
            ) PARTITION BY RANGE (parent_id);
            CREATE TABLE children_1 PARTITION OF children FOR VALUES FROM (1) TO (9);
            CREATE INDEX idx_felt ON children (felt) WHERE felt = 'sad';
            CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER looks BEFORE INSERT ON parents FOR EACH ROW EXECUTE FUNCTION look();
            CREATE VIEW sad AS SELECT parent_id FROM children WHERE felt = 'sad';
            """
        )
    model.plays = [GOOD]
    assert nself("generate", "add a table", environment=ai(model)).code == 0
    lines = {line.strip() for line in said(model).splitlines()}
    assert {
        "table public.parents",
        "id integer not null generated always as identity",
        "partitioned table public.children",
        "felt mood default 'glad'::mood",
        "twice integer generated always as ((parent_id * 2)) stored",
        "children_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES parents(id)",
        "trigger looks executes look",
        "view public.sad",
        "type mood enum('glad', 'sad')",
        "function look() returns trigger",
    } - lines == set()
    assert "children_1" not in said(model)


def test_the_server_and_its_extensions_are_named(
    nself: Nself, model: Model, database: str, server_major: int
) -> None:
    model.plays = [GOOD]
    assert nself("generate", "add a table", environment=ai(model)).code == 0
    assert f"The server: PostgreSQL {server_major}\n" in said(model)


def test_show_prompt_prints_what_would_be_sent_and_sends_nothing(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [GOOD]
    shown = drafting("generate", "add a note to users", "--show-prompt", "--json")
    assert (shown.code, model.requests) == (0, [])
    assert len(list(with_users.migrations.iterdir())) == 2
    assert violations(shown.json(), "generate") == []
    assert drafting("generate", "add a note to users").code == 0
    assert shown.json()["prompt"]["body"] == model.requests[0]


def test_show_prompt_as_text_has_every_message_whole(drafting: Nself, model: Model) -> None:
    body: Any = drafting("generate", "add a note", "--show-prompt", "--json").json()["prompt"][
        "body"
    ]
    text = drafting("generate", "add a note", "--show-prompt").out
    assert [m["content"] for m in body["messages"] if m["content"] not in text] == []
    assert "# model: small-1\n" in text


def test_the_answers_schema_is_sent(drafting: Nself, model: Model) -> None:
    model.plays = [GOOD]
    drafting("generate", "add a note")
    form = model.requests[0]["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"]["required"] == [
        "name",
        "up",
        "down",
        "notes",
        "loses_data",
    ]
    assert "tools" not in json.dumps(model.requests[0])
