"""`nself maintenance`: what visitors of the real nginx get, and what becomes of the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nginx_for_tests import NGINX
from nginx_stack import Stack, running
from observation import violations
from servers_for_tests import Nself, Result
from v1_projects import tree

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.skipif(
        NGINX is None, reason="nginx is not installed (apt-get install nginx-light)"
    ),
]
SNIPPET = "nginx/conf.d/0-nself-maintenance.conf"
HOSTS = {
    "v1": ("localhost", "hasura.localhost", "custom-shop.localhost"),
    "v2": ("localhost", "hasura.localhost", "custom-shop.localhost"),
    "early": ("hasura.local.nself.org", "auth.local.nself.org", "mailhog.local.nself.org"),
}
STRANGER = "nobody.example"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LAYOUTS = pytest.mark.parametrize("stack", ["v1", "v2", "early"], indirect=True)


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """A running v1 stack, or one of the layout that the test names."""
    with running(tmp_path, getattr(request, "param", "v1")) as found:
        yield found


@pytest.fixture
def layout(request: pytest.FixtureRequest) -> str:
    """Which layout the stack has."""
    return str(request.node.callspec.params["stack"])


@pytest.fixture
def nself(stack: Stack) -> Iterator[Nself]:
    """The command in the project of the stack."""
    command = Nself(stack.project, stack.environment)
    yield command
    command.close()


def enabled(nself: Nself, *more: str) -> Result:
    """Enable it, and be sure of it."""
    result = nself("maintenance", "enable", *more)
    assert result.code == 0, result.err
    return result


# --- what visitors get ---


@LAYOUTS
def test_every_server_answers_503_with_retry_after(stack: Stack, layout: str, nself: Nself) -> None:
    enabled(nself, "--retry-after", "90")
    for host in (*HOSTS[layout], STRANGER, None):
        answer = stack.ask(host, "/some/page")
        assert (answer.status, answer.headers["retry-after"]) == (503, "90"), host
    for host in ("claw.example.org", STRANGER, None):
        answer = stack.ask(host, tls=False)
        assert (answer.status, answer.headers["retry-after"]) == (503, "90"), host


@LAYOUTS
def test_after_disable_every_server_answers_as_before(
    stack: Stack, layout: str, nself: Nself
) -> None:
    hosts = (*HOSTS[layout], STRANGER)
    before = [stack.ask(host).status for host in hosts]
    assert 503 not in before
    enabled(nself)
    assert nself("maintenance", "disable").code == 0
    assert [stack.ask(host).status for host in hosts] == before


@LAYOUTS
def test_after_disable_the_project_is_byte_for_byte_what_it_was(stack: Stack, nself: Nself) -> None:
    before = tree(stack.project)
    enabled(nself)
    assert set(tree(stack.project)) - set(before) == {SNIPPET, "nginx/conf.d/.gitignore"}
    assert {k: v for k, v in tree(stack.project).items() if k in before} == before
    assert nself("maintenance", "disable").code == 0
    assert tree(stack.project) == before


@pytest.mark.parametrize("stack", ["v1", "v2"], indirect=True)
def test_an_acme_challenge_is_served_all_the_same(stack: Stack, nself: Nself) -> None:
    enabled(nself)
    for host, tls in (("hasura.localhost", True), ("claw.example.org", False), (STRANGER, False)):
        answer = stack.ask(host, "/.well-known/acme-challenge/token", tls=tls)
        assert (answer.status, answer.body) == (200, "proof"), host
        assert stack.ask(host, "/.well-known/other", tls=tls).status == 503


@pytest.mark.parametrize("path", ["/health", "/logo.png", "/a/b.css?c=d", "//x/../y"])
def test_no_path_is_left_out(stack: Stack, nself: Nself, path: str) -> None:
    enabled(nself)
    answer = stack.ask("localhost", path)
    assert (answer.status, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_no_method_is_left_out(stack: Stack, nself: Nself, method: str) -> None:
    enabled(nself)
    assert stack.ask("hasura.localhost", method=method, body="x" * 100).status == 503


def test_an_upload_that_nginx_would_refuse_is_told_of_the_maintenance(
    stack: Stack, nself: Nself
) -> None:
    enabled(nself)
    large = "x" * 1_500_000
    assert stack.ask("hasura.localhost", method="POST", body=large).status == 503


def test_a_person_gets_a_page_with_the_message_as_it_was_written(
    stack: Stack, nself: Nself
) -> None:
    enabled(nself, "--message", "Back at 5 o'clock: $host & <b>\\n")
    answer = stack.ask("localhost", Accept=BROWSER)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<p>Back at 5 o&#x27;clock: &#36;host &amp; &lt;b&gt;\\n</p>" in answer.body


@pytest.mark.parametrize(
    "asks",
    [{"Accept": "application/json"}, {"Content-Type": "application/json", "Accept": "*/*"}],
    ids=["accepts it", "sends it"],
)
def test_a_program_gets_json(stack: Stack, nself: Nself, asks: dict[str, str]) -> None:
    import json

    enabled(nself, "--message", 'It\'s "$5" \\ ü', "--retry-after", "60")
    answer = stack.ask("hasura.localhost", "/v1/graphql", method="POST", body="{}", **asks)
    assert (answer.status, answer.headers["content-type"]) == (503, "application/json")
    said = {"error": "maintenance", "message": 'It\'s "$5" \\ ü', "retry_after": 60}
    assert json.loads(answer.body) == said


def test_the_answer_is_kept_by_no_cache(stack: Stack, nself: Nself) -> None:
    enabled(nself)
    assert stack.ask("localhost").headers["cache-control"] == "no-store"


# --- once, twice, not at all ---


def test_enable_twice_is_enable_once(stack: Stack, nself: Nself) -> None:
    enabled(nself)
    once = tree(stack.project)
    assert enabled(nself, "--json").json()["changed"] is False
    assert tree(stack.project) == once


def test_another_message_takes_the_place_of_the_first(stack: Stack, nself: Nself) -> None:
    since = enabled(nself, "--json").json()["since"]
    again = enabled(nself, "--message", "Longer than planned", "--json").json()
    assert (again["message"], again["since"]) == ("Longer than planned", since)
    assert "Longer than planned" in stack.ask("localhost").body


def test_disable_without_enable_changes_nothing_and_tells_nginx_nothing(
    stack: Stack, nself: Nself
) -> None:
    before = tree(stack.project)
    result = nself("maintenance", "disable")
    assert (result.code, tree(stack.project), stack.calls) == (0, before, [])


# --- where nginx cannot be told, or says no ---


def test_files_that_nginx_refuses_are_put_back(stack: Stack, nself: Nself) -> None:
    (stack.project / "nginx/conf.d/zz.conf").write_text("nonsense on;\n")
    before = tree(stack.project)
    result = nself("maintenance", "enable")
    assert (result.code, tree(stack.project)) == (1, before)
    assert 'unknown directive "nonsense"' in result.err
    assert "The files are as they were" in result.err
    assert stack.ask("localhost", "/health").status == 200


def test_a_disable_that_nginx_refuses_leaves_the_maintenance(stack: Stack, nself: Nself) -> None:
    enabled(nself)
    (stack.project / "nginx/conf.d/zz.conf").write_text("nonsense on;\n")
    before = tree(stack.project)
    result = nself("maintenance", "disable")
    assert (result.code, tree(stack.project)) == (1, before)
    assert stack.ask("localhost").status == 503


@pytest.mark.parametrize("why", ["no docker", "not running"])
def test_where_the_stack_does_not_answer_the_command_is_printed(
    stack: Stack, nself: Nself, why: str
) -> None:
    if why == "no docker":
        (stack.bin / "docker").unlink()
        nself.environment["PATH"] = str(stack.bin)
    else:
        (stack.tree.root / "nginx.pid").rename(stack.tree.root / "other.pid")
    result = nself("maintenance", "enable")
    (stack.tree.root / "other.pid").exists() and (stack.tree.root / "other.pid").rename(
        stack.tree.root / "nginx.pid"
    )
    assert result.code == 1
    told = "docker compose --project-name shop exec -T nginx nginx"
    assert f"`{told} -t && {told} -s reload`" in result.err
    assert "The file is in place" in result.err
    assert (stack.project / SNIPPET).exists()
    assert stack.ask("localhost", "/health").status == 200


@pytest.mark.parametrize("stack", ["v1", "v2"], indirect=True)
def test_the_stack_is_asked_by_the_name_that_its_generator_gave_it(
    stack: Stack, nself: Nself
) -> None:
    enabled(nself)
    asked = [call.split()[:4] for call in stack.calls]
    assert asked == [["compose", "--project-name", "shop", what] for what in ("ps", "exec", "exec")]


# --- what the site says ---


def test_status_asks_the_site(stack: Stack, nself: Nself) -> None:
    before = nself("maintenance", "status", "--json")
    assert (before.code, before.json()["site"], before.json()["file"]) == (0, "serving", "absent")
    enabled(nself)
    after = nself("maintenance", "status", "--json")
    assert (after.code, after.json()["site"], after.json()["file"]) == (
        0, "maintenance", "present",
    )  # fmt: skip
    assert all(host["status"] == 503 for host in after.json()["hosts"])


def test_status_says_that_nginx_has_not_read_the_file(stack: Stack, nself: Nself) -> None:
    enabled(nself)
    text = (stack.project / SNIPPET).read_bytes()
    nself("maintenance", "disable")
    (stack.project / SNIPPET).write_bytes(text)
    result = nself("maintenance", "status")
    assert result.code == 0
    assert "the site is not in maintenance" in result.out
    assert "nginx has not read it" in result.out


def test_status_says_that_the_file_is_gone_and_disable_heals_it(stack: Stack, nself: Nself) -> None:
    enabled(nself)
    (stack.project / SNIPPET).unlink()
    assert "the file is gone, and nginx still has it" in nself("maintenance", "status").out
    assert nself("maintenance", "disable").code == 0
    assert stack.ask("localhost", "/health").status == 200
    assert not (stack.project / "nginx/conf.d/.gitignore").exists()


def test_another_503_is_not_taken_for_maintenance(stack: Stack, nself: Nself) -> None:
    site = stack.project / "nginx/sites/own.conf"
    site.write_text("server { listen 80; server_name busy.test; return 503; }\n")
    enabled(nself)
    nself("maintenance", "disable")
    assert stack.ask("busy.test", tls=False).status == 503
    assert nself("maintenance", "status", "--json").json()["site"] == "serving"


@pytest.mark.parametrize("action", ["enable", "disable", "status"])
def test_the_json_is_as_the_schema_says(stack: Stack, nself: Nself, action: str) -> None:
    for _ in range(2):
        assert violations(nself("maintenance", action, "--json").json(), "maintenance") == []
    (stack.bin / "docker").write_text("#!/bin/sh\nexit 1\n")
    (stack.project / SNIPPET).unlink(missing_ok=True)
    assert violations(nself("maintenance", action, "--json").json(), "maintenance") == []
