"""`generate` with a model: a draft that is right, one that is mended, one that never is."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from model_for_tests import Model, answers, fails, is_slow, says
from observation import violations
from servers_for_tests import Nself, Project, within

from nself_tasks.database.servers.sockets import server_url

UP = "ALTER TABLE users ADD COLUMN note text;"
DOWN = "ALTER TABLE users DROP COLUMN note;"
GOOD = answers(UP, DOWN)
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
WRONG = answers(f"{UP}\nUPDATE users SET memo = 'x';", DOWN)


def new_files(project: Project) -> list[str]:
    """What is in the migrations folder beside the first migration."""
    return sorted(p.name for p in project.migrations.iterdir() if "create_users" not in p.name)


def up_file(project: Project) -> Path:
    (name,) = (n for n in new_files(project) if not n.endswith(".down.sql"))
    return project.migrations / name


def test_a_right_draft_is_written_with_what_was_proven(
    proving: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [GOOD]
    result = proving("generate", "add a note to users")
    assert (result.code, result.out.splitlines()[-1]) == (
        0,
        "→ AI draft written — review before running nself migrate run",
    )
    up, down = (line.removeprefix("→ Created: ") for line in result.out.splitlines()[:2])
    text = (with_users.root / up).read_text()
    assert up.endswith("_add_note.sql")
    assert text.startswith("-- Draft: add a note to users\n-- Model: small-1, 20")
    assert "\n-- Proven: up, down and up again" in text
    assert "\n-- Locks: ACCESS EXCLUSIVE on public.users\n" in text
    assert text.endswith(f"\n\n{UP}\n")
    assert (with_users.root / down).read_text().endswith(f"\n\n{DOWN}\n")
    assert len(model.requests) == 1
    assert "1 round, 1,200 tokens sent, 80 tokens received, " in result.err


def test_what_is_lost_and_what_depends_on_the_data_is_said_and_written(
    proving: Nself, model: Model, with_users: Project
) -> None:
    shorter = "ALTER TABLE users ALTER email TYPE varchar(120); DELETE FROM users WHERE id = 5;"
    model.plays = [answers(shorter, "ALTER TABLE users ALTER email TYPE text;", loses_data=True)]
    result = proving("generate", "shorter addresses, without the fifth")
    assert result.code == 0, result.err
    text = up_file(with_users).read_text()
    assert "warning: loses for good: rows of public.users (1 of 3 rows)\n" in result.err
    assert "warning: depends on the data: up, line 1: value too long for type" in result.err
    assert "note: rewrites: public.users" in result.err
    assert "-- Loses for good: rows of public.users (1 of 3 rows)\n" in text
    assert "so were the planted rows, but for what is lost for good.\n" in text


def test_a_written_draft_runs(proving: Nself, model: Model, with_users: Project) -> None:
    model.plays = [GOOD]
    assert proving("generate", "add a note").code == 0
    assert proving("graph", "--check").code == 0


def test_wrong_sql_is_mended_in_the_second_round(
    proving: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [WRONG, GOOD]
    result = proving("generate", "add a note", "--json")
    assert result.code == 0, result.err
    said = model.said_to_it(2)
    assert "42703" in said
    assert "up, line 2: " in said
    assert 'column "memo" of relation "users" does not exist' in said
    roles = [message["role"] for message in model.requests[1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    draft = result.json()["draft"]
    assert (draft["rounds"], draft["proven"], draft["faults"]) == (2, True, [])
    assert draft["tokens"] == {"sent": 2400, "received": 160}
    assert violations(result.json(), "generate") == []


def test_a_down_that_does_not_restore_is_sent_back(
    proving: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [answers(UP, "SELECT 1;"), GOOD]
    assert proving("generate", "add a note").code == 0
    assert "compare: " in model.said_to_it(2)
    assert up_file(with_users).read_text().endswith(f"{UP}\n")


def test_what_is_wrong_three_times_is_not_written(
    proving: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [WRONG]
    result = proving("generate", "add a note", "--json")
    assert (result.code, len(model.requests), new_files(with_users)) == (1, 3, [])
    error = result.json()["error"]
    assert (error["code"], error["database"]) == ("draft", "unchanged")
    assert "42703" in error["problems"][0]["message"]
    assert "--keep-unproven" in error["hint"]
    assert violations(result.json(), "error") == []


def test_rounds_says_how_often(proving: Nself, model: Model, with_users: Project) -> None:
    model.plays = [WRONG]
    assert proving("generate", "add a note", "--rounds", "1").code == 1
    assert len(model.requests) == 1


def test_a_kept_draft_is_refused_by_run_until_a_person_deletes_a_line(
    proving: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [answers(UP, "SELECT 1;")]
    result = proving("generate", "add a note", "--keep-unproven", "--rounds", "1")
    assert result.code == 0
    assert "not proven" in result.err
    path = up_file(with_users)
    lines = path.read_text().splitlines(keepends=True)
    assert lines[0] == "-- nself: unproven\n"
    assert "-- Fails: compare: " in "".join(lines)
    refused = proving("graph", "--check")
    assert refused.code == 1
    assert f"{path.name}:1: is a draft that nothing has proven" in refused.err
    path.write_text("".join(lines[1:]))
    assert proving("graph", "--check").code == 0


def test_run_refuses_an_unproven_draft_before_the_first_statement(
    nself: Nself, with_users: Project, database: str
) -> None:
    with_users.migration("20260102000000", "later", "-- nself: unproven\nSELECT 1;")
    result = nself("run")
    assert result.code == 1
    assert "is a draft that nothing has proven: review it, then delete this line" in result.err
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('users')").fetchone() == (None,)


def test_without_a_proof_the_draft_is_marked_and_that_is_said(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [GOOD]
    result = drafting("generate", "add a note")
    assert result.code == 0
    assert "the draft is not proven: " in result.err
    assert up_file(with_users).read_text().startswith("-- nself: unproven\n")


def test_ctrl_c_while_the_model_works_leaves_nothing(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [lambda exchange: model.let_go.wait(60) and None]
    process = drafting.start("generate", "add a note")
    assert model.asked.wait(30)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
    assert new_files(with_users) == []


def test_ctrl_c_while_the_scratch_server_starts_leaves_nothing(
    proving: Nself, model: Model, with_users: Project, short_tmp: Path
) -> None:
    model.plays = [lambda exchange: model.let_go.wait(60) and None]
    process = proving.start("generate", "add a note", environment={"TMPDIR": str(short_tmp)})
    assert within(30, lambda: any(short_tmp.glob("nself-scratch-*/data*")))
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
    assert (new_files(with_users), list(short_tmp.iterdir())) == ([], [])


def test_ctrl_c_while_a_draft_is_proven_ends_the_proof_and_leaves_nothing(
    proving: Nself, model: Model, with_users: Project, short_tmp: Path
) -> None:
    model.plays = [answers(f"{UP} SELECT pg_sleep(60);", DOWN)]
    process = proving.start("generate", "add a note", environment={"TMPDIR": str(short_tmp)})
    assert within(30, lambda: bool(asleep(short_tmp)))
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
    assert (new_files(with_users), list(short_tmp.iterdir())) == ([], [])


def asleep(folder: Path) -> int:
    """How many sessions of the scratch servers in a folder sleep."""
    found = 0
    for socket in folder.glob("nself-scratch-*/s/.s.PGSQL.*"):
        if socket.suffix != ".lock":
            with (
                suppress(psycopg.OperationalError),
                psycopg.connect(server_url(socket.parent), autocommit=True) as onlooker,
            ):
                found += (onlooker.execute(SLEEPING).fetchone() or (0,))[0]
    return found


@pytest.mark.parametrize("parts", [1, 40])
def test_a_streamed_answer_is_put_together(
    drafting: Nself, model: Model, with_users: Project, parts: int
) -> None:
    model.plays = [answers(UP, DOWN, parts=parts)]
    assert drafting("generate", "add a note").code == 0
    assert UP in up_file(with_users).read_text()


def test_a_slow_answer_is_waited_for(drafting: Nself, model: Model, with_users: Project) -> None:
    model.plays = [is_slow(GOOD, 1.5)]
    assert drafting("generate", "add a note").code == 0
    assert len(new_files(with_users)) == 2


def test_a_server_that_says_nothing_is_given_up(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [lambda exchange: model.let_go.wait(60) and None]
    result = drafting("generate", "add a note", environment={"NSELF_AI_TIMEOUT": "0.5"})
    assert (result.code, new_files(with_users)) == (1, [])
    assert "NSELF_AI_TIMEOUT" in result.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the answer is empty"),
        ("You should add a column.", "prose without SQL"),
        ('{"name": "x", "up": "ALTER', "is not whole"),
        ('{"name": "x", "up": 3, "down": ""}', "`up` is missing or no text"),
        ("```sql\nSELECT 1;\n```\n", "code blocks of which nothing tells"),
        ("<html><body>hello</body></html>", "a web page"),
    ],
)
def test_an_answer_that_is_no_draft_is_a_round_of_its_own(
    drafting: Nself, model: Model, with_users: Project, text: str, why: str
) -> None:
    model.plays = [says(text), GOOD]
    result = drafting("generate", "add a note")
    assert result.code == 0
    assert why in model.said_to_it(2)
    assert why in result.err


def test_a_server_without_json_schemas_is_asked_without_one(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    prose = f"Here it is.\n\n**Up**\n```sql\n{UP}\n```\n\n**Down**\n```sql\n{DOWN}\n```\nDone."
    model.plays = [fails(400, "response_format is not supported"), says(prose)]
    assert drafting("generate", "add a note").code == 0
    assert "response_format" not in model.requests[1]
    assert UP in up_file(with_users).read_text()
