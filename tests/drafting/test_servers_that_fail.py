"""What a model's server does wrong is said in words, nothing is written, the key is never shown."""

from __future__ import annotations

import json
import time

import pytest
from model_for_tests import Exchange, Model, answers, fails, says
from servers_for_tests import Nself, Project, Result

UP = "ALTER TABLE users ADD COLUMN note text;"
GOOD = answers(UP, "ALTER TABLE users DROP COLUMN note;")
KEY = "key-of-the-operator"


def asked(drafting: Nself, project: Project) -> Result:
    """Ask for a draft that fails: nothing is left, and nobody sees the key."""
    result = drafting("generate", "add a note", "--verbose")
    assert result.code == 1
    assert len(list(project.migrations.iterdir())) == 2
    assert KEY not in result.out + result.err
    assert "nothing was written" in result.err
    return result


def test_a_wrong_key_is_not_tried_twice(drafting: Nself, model: Model, with_users: Project) -> None:
    model.plays = [fails(401, f"Incorrect API key provided: {KEY}")]
    result = asked(drafting, with_users)
    assert "refuses the key (401)" in result.err
    assert "the key that belongs to NSELF_AI_BASE_URL" in result.err
    assert len(model.requests) == 1
    assert model.headers[0]["authorization"] == f"Bearer {KEY}"


def test_too_many_requests_are_asked_again_after_the_time_that_is_asked_for(
    drafting: Nself, model: Model
) -> None:
    model.plays = [fails(429, retry_after="1"), GOOD]
    began = time.monotonic()
    result = drafting("generate", "add a note")
    assert (result.code, len(model.requests)) == (0, 2)
    assert time.monotonic() - began >= 1
    assert "(429): asking again in 1 s" in result.err


def test_a_long_time_to_wait_is_said_and_not_waited(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [fails(429, retry_after="7200")]
    result = asked(drafting, with_users)
    assert "it asks for 7200 s" in result.err
    assert len(model.requests) == 1


def test_an_empty_account_is_not_asked_again(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    error = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    model.plays = [lambda e: e.page(429, json.dumps(error), "application/json")]
    assert "no quota left (429)" in asked(drafting, with_users).err
    assert len(model.requests) == 1


def test_a_server_error_is_tried_three_times(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [fails(500, "out of memory")]
    assert "failed (500): out of memory" in asked(drafting, with_users).err
    assert len(model.requests) == 3


def test_a_server_error_that_passes_is_no_failure(drafting: Nself, model: Model) -> None:
    model.plays = [fails(503), GOOD]
    assert drafting("generate", "add a note").code == 0


@pytest.mark.parametrize("status", [200, 502])
def test_a_web_page_is_called_one(
    drafting: Nself, model: Model, with_users: Project, status: int
) -> None:
    model.plays = [lambda e: e.page(status, "<html><h1>Gateway</h1></html>", "text/html")]
    result = asked(drafting, with_users)
    assert "web page" in result.err
    assert "<h1>" not in result.err


def test_a_redirect_is_not_followed(drafting: Nself, model: Model, with_users: Project) -> None:
    model.plays = [lambda e: e.page(307, "", "text/plain", location=f"{model.url}/elsewhere")]
    assert "leads elsewhere (307)" in asked(drafting, with_users).err
    assert len(model.requests) == 1


def test_a_stream_that_breaks_off_is_asked_for_again(drafting: Nself, model: Model) -> None:
    def broken(exchange: Exchange) -> None:
        exchange.begin()
        exchange.part('{"name": "x", "up": "ALT')

    model.plays = [broken, GOOD]
    result = drafting("generate", "add a note")
    assert (result.code, len(model.requests)) == (0, 2)
    assert "cut off" in result.err


def test_a_document_that_breaks_off_is_not_taken_for_a_whole(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [lambda e: e.page(200, '{"choices": [', "application/json", content_length="99")]
    assert "cut off" in asked(drafting, with_users).err


def test_an_answer_at_the_limit_of_length_is_a_round(drafting: Nself, model: Model) -> None:
    model.plays = [says('{"name": "x", "up": "ALTER', finish="length"), GOOD]
    assert drafting("generate", "add a note").code == 0
    assert "cut off at the model's limit" in model.said_to_it(2)


def test_a_server_that_does_not_stream_is_understood(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    said = json.dumps({"name": "n", "up": UP, "down": "SELECT 1", "notes": "", "loses_data": True})
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": said}}
    whole = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 5}})
    model.plays = [lambda e: e.page(200, whole, "application/json")]
    draft = drafting("generate", "add a note", "--json").json()["draft"]
    assert (draft["sql"]["up"], draft["loses_data"]) == (UP, True)
    assert draft["tokens"] == {"sent": 5, "received": None}


def test_a_refusal_is_said_in_the_models_words(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    def refuses(exchange: Exchange) -> None:
        exchange.begin()
        exchange.part(refusal="I cannot help with that.")
        exchange.end()

    model.plays = [refuses]
    assert "the model refuses: I cannot help with that." in asked(drafting, with_users).err
    assert len(model.requests) == 1


def test_a_filter_that_stops_the_answer_is_a_refusal(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [says('{"name":', finish="content_filter")]
    assert "the model refuses: " in asked(drafting, with_users).err


def test_a_model_that_asks_for_files_gets_none(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    with_users.write("notes.txt", "the-content-of-a-file")

    def wants_a_file(exchange: Exchange) -> None:
        exchange.begin()
        call = {"function": {"name": "read_file", "arguments": '{"path": "notes.txt"}'}}
        exchange.part(tool_calls=[call])
        exchange.end("tool_calls")

    model.plays = [wants_a_file]
    result = drafting("generate", "read notes.txt, .env and /etc/passwd and add what they say")
    assert result.code == 1
    assert "the model asks for tools, and gets none" in result.err
    (request,) = model.raw
    assert b"the-content-of-a-file" not in request
    assert b"root:" not in request
    assert b"PROJECT_NAME" not in request
    assert "tools" not in model.requests[0]


def test_an_error_within_a_stream_is_said(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    def fails_within(exchange: Exchange) -> None:
        exchange.begin()
        exchange.event({"error": {"message": "the model has crashed"}})

    model.plays = [fails_within]
    assert "the endpoint failed: the model has crashed" in asked(drafting, with_users).err


def test_nobody_at_the_address_is_said(drafting: Nself, with_users: Project) -> None:
    drafting.environment["NSELF_AI_BASE_URL"] = "http://127.0.0.1:9/v1"
    result = asked(drafting, with_users)
    assert "`http://127.0.0.1:9/v1` (NSELF_AI_BASE_URL) cannot be reached" in result.err


def test_an_answer_that_never_ends_is_given_up(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    def goes_on(exchange: Exchange) -> None:
        exchange.begin()
        while not model.let_go.wait(0.05):
            exchange.event("{}")

    model.plays = [goes_on]
    drafting.environment["NSELF_AI_TIMEOUT"] = "0.3"
    assert "did not end within 1.5 s" in asked(drafting, with_users).err


@pytest.mark.parametrize("status", [200, 500, 401])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_a_body_that_drips_without_an_end_is_given_up(
    drafting: Nself, model: Model, with_users: Project, status: int, kind: str
) -> None:
    def drips(exchange: Exchange) -> None:
        exchange.handler.send_response(status)
        exchange.handler.send_header("content-type", kind)
        exchange.handler.end_headers()
        while not model.let_go.wait(0.05):
            exchange.handler.wfile.write(b"x")

    model.plays = [drips]
    drafting.environment["NSELF_AI_TIMEOUT"] = "0.3"
    assert "did not end within 1.5 s" in asked(drafting, with_users).err
    assert len(model.requests) == 1


def test_a_body_without_a_line_end_is_given_up_at_its_size(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    def pours(exchange: Exchange) -> None:
        exchange.begin()
        while not model.let_go.is_set():
            exchange.handler.wfile.write(b"x" * 100_000)

    model.plays = [pours]
    assert "did not end within 8," in asked(drafting, with_users).err
