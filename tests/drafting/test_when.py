"""When a model is asked at all, which one, where, and with whose key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from model_for_tests import Model, answers
from operator_environment import ai
from servers_for_tests import Nself, Project

from nself_tasks.drafting.endpoint import Endpoint, endpoint, is_local
from nself_tasks.errors import UsageError

GOOD = answers("ALTER TABLE users ADD COLUMN note text;", "ALTER TABLE users DROP COLUMN note;")
WITHOUT_NETWORK = """
import sys

def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise SystemExit(f"network: {event}")

sys.addaudithook(watch)
from nself_tasks.cli import main
code = main(sys.argv[1:])
loaded = {name.split(".")[0] for name in sys.modules}
print(code, sorted(loaded & {"openai", "httpx2", "httpx", "psycopg"}))
"""


def no_port(url: str) -> bool:
    return False


def found(**environ: str) -> Endpoint:
    told = endpoint(environ, answers=no_port)
    assert told is not None
    return told


def quiet(project: Project, *arguments: str) -> str:
    """The last line of a command in a process in which no socket may be opened."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK, "migrate", "generate", *arguments],
        cwd=project.root,
        env={**os.environ, "NSELF_PLUGIN_AI": "true", "OPENAI_API_KEY": "k"},
        capture_output=True,
        text=True,
        check=False,
    )
    return (ended.stdout + ended.stderr).splitlines()[-1]


def test_no_ai_opens_no_socket_and_imports_no_client(with_users: Project) -> None:
    assert quiet(with_users, "--no-ai", "add a note") == "0 []"


def test_show_prompt_imports_no_client(with_users: Project) -> None:
    assert quiet(with_users, "--show-prompt", "add a note") == "0 []"


def test_without_the_plugin_the_files_are_empty_and_a_line_says_how_to_get_drafts(
    nself_offline: Nself, model: Model, project: Project
) -> None:
    environment = {k: v for k, v in ai(model).items() if k != "NSELF_PLUGIN_AI"}
    result = nself_offline("generate", "add a note", environment=environment)
    assert result.code == 0
    assert "the files are empty: " in result.err
    assert "NSELF_PLUGIN_AI=true" in result.err
    assert model.requests == []
    first = min(project.migrations.iterdir(), key=lambda path: len(path.name))
    assert first.read_text() == "-- add a note\n\n"


@pytest.mark.parametrize("place", ["manifest.json", "plugin.json"])
def test_the_plugin_of_the_project_turns_drafts_on(
    drafting: Nself, model: Model, with_users: Project, place: str
) -> None:
    model.plays = [GOOD]
    with_users.write(f"plugins/ai/{place}", "{}")
    del drafting.environment["NSELF_PLUGIN_AI"]
    assert drafting("generate", "add a note").code == 0
    assert len(model.requests) == 1


def test_the_plugin_in_the_home_folder_turns_drafts_on(drafting: Nself, model: Model) -> None:
    model.plays = [GOOD]
    plugin = Path(os.environ["HOME"]) / ".nself" / "plugins" / "ai" / "plugin.json"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("{}")
    del drafting.environment["NSELF_PLUGIN_AI"]
    assert drafting("generate", "add a note").code == 0
    assert len(model.requests) == 1


def test_the_switch_off_is_stronger_than_an_installed_plugin(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    with_users.write("plugins/ai/plugin.json", "{}")
    drafting.environment["NSELF_PLUGIN_AI"] = "false"
    assert "the files are empty" in drafting("generate", "add a note").err
    assert model.requests == []


def test_without_any_endpoint_the_files_are_empty(drafting: Nself, with_users: Project) -> None:
    for name in ("NSELF_AI_BASE_URL", "NSELF_AI_API_KEY"):
        del drafting.environment[name]
    result = drafting("generate", "add a note")
    assert result.code == 0
    assert "no model's endpoint is configured" in result.err


def test_endpoint_and_key_of_a_cloned_project_are_not_used(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    for name in ("NSELF_AI_BASE_URL", "NSELF_AI_API_KEY"):
        del drafting.environment[name]
    lines = f"NSELF_AI_BASE_URL={model.url}\nOPENAI_BASE_URL={model.url}\nOPENAI_API_KEY=k\n"
    lines += f"PLUGIN_OLLAMA_URL={model.url}\nNSELF_OLLAMA_HOST={model.url}\n"
    with_users.write(".env", f"PROJECT_NAME=demo\n{lines}")
    with_users.write("plugins/ai/.env", lines)
    assert "no model's endpoint is configured" in drafting("generate", "add a note").err
    assert model.requests == []


def test_the_model_is_the_flags_then_the_environments_then_the_projects(
    drafting: Nself, model: Model, with_users: Project
) -> None:
    model.plays = [GOOD]
    with_users.write(".env", "PROJECT_NAME=demo\nNSELF_AI_MODEL=of-the-project\n")
    drafting("generate", "add a note", "--model", "of-the-flag")
    drafting("generate", "add a note")
    drafting.environment.pop("NSELF_AI_MODEL")
    drafting("generate", "add a note")
    asked = [request["model"] for request in model.requests]
    assert asked == ["of-the-flag", "small-1", "of-the-project"]


def test_no_model_at_all_is_a_usage_error(drafting: Nself, model: Model) -> None:
    drafting.environment.pop("NSELF_AI_MODEL")
    result = drafting("generate", "add a note")
    assert (result.code, model.requests) == (2, [])
    assert "NSELF_AI_MODEL" in result.err


def test_offline_refuses_another_machine(drafting: Nself, with_users: Project) -> None:
    drafting.environment["NSELF_AI_BASE_URL"] = "https://models.example/v1"
    result = drafting("generate", "add a note", "--offline")
    assert result.code == 1
    assert "`https://models.example/v1` (NSELF_AI_BASE_URL) is another machine" in result.err
    assert len(list(with_users.migrations.iterdir())) == 2


def test_a_folder_that_leads_out_of_the_project_is_refused_before_anything_is_sent(
    drafting: Nself, model: Model, with_users: Project, tmp_path: Path
) -> None:
    elsewhere = with_users.migrations.rename(tmp_path / "elsewhere")
    with_users.migrations.symlink_to(elsewhere)
    result = drafting("generate", "add a note")
    assert (result.code, model.requests) == (1, [])
    assert "leads out of the project" in result.err


def test_offline_allows_this_machine(drafting: Nself, model: Model) -> None:
    model.plays = [GOOD]
    assert drafting("generate", "add a note", "--offline").code == 0


def test_a_proxy_is_not_asked_for_this_machine(drafting: Nself, model: Model) -> None:
    model.plays = [GOOD]
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    assert drafting("generate", "add a note", environment=proxy).code == 0


def test_settings_for_openai_do_not_go_to_another_endpoint(drafting: Nself, model: Model) -> None:
    model.plays = [GOOD]
    of_openai = {
        "OPENAI_API_KEY": "key-for-openai",
        "OPENAI_ORG_ID": "org-1",
        "OPENAI_CUSTOM_HEADERS": "x-mine: yes",
        "OPENAI_LOG": "debug",
    }
    result = drafting("generate", "add a note", environment=of_openai)
    assert result.code == 0
    sent = json.dumps(model.headers)
    assert "org-1" not in sent
    assert "x-mine" not in sent
    assert "key-for-openai" not in sent
    assert "DEBUG" not in result.err


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_a_host_of_this_machine_is_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "0.0.0.0", "localhost.com", "127.0.0.1.nip.io"])
def test_any_other_host_is_not(host: str) -> None:
    assert not is_local(host)


def test_endpoint_and_key_are_never_of_two_sources() -> None:
    told = found(NSELF_AI_BASE_URL="http://localhost:1/v1", OPENAI_API_KEY="k")
    assert (told.base_url, told.key) == ("http://localhost:1/v1", None)
    told = found(OPENAI_BASE_URL="http://localhost:2/v1", PLUGIN_OPENAI_API_KEY="k")
    assert (told.base_url, told.key) == ("http://localhost:2/v1", None)


def test_an_unencrypted_address_on_the_network_is_bare_and_this_machine_is_not() -> None:
    assert found(NSELF_AI_BASE_URL="http://gpu:8000/v1").bare
    assert not found(NSELF_AI_BASE_URL="https://gpu:8000/v1").bare
    assert not found(NSELF_AI_BASE_URL="http://localhost:8000/v1").bare


def test_a_key_without_its_address_is_refused() -> None:
    with pytest.raises(UsageError, match="nobody knows whose key it is"):
        found(NSELF_AI_API_KEY="k", OPENAI_API_KEY="other")


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"OPENAI_API_KEY": "k"}, "https://api.openai.com/v1"),
        ({"PLUGIN_ANTHROPIC_API_KEY": "k"}, "https://api.anthropic.com/v1"),
        (
            {
                "PLUGIN_OPENAI_API_KEY": "k",
                "PLUGIN_ANTHROPIC_API_KEY": "l",
                "PLUGIN_AI_DEFAULT_PROVIDER": "anthropic",
            },
            "https://api.anthropic.com/v1",
        ),
        ({"NSELF_OLLAMA_HOST": "127.0.0.1:11434"}, "http://127.0.0.1:11434/v1"),
        ({"PLUGIN_OLLAMA_URL": "http://gpu:11434/"}, "http://gpu:11434/v1"),
    ],
)
def test_every_source_names_its_address(environ: dict[str, str], address: str) -> None:
    assert found(**environ).base_url == address


def test_the_plugins_settings_in_the_home_folder_are_a_source(tmp_path: Path) -> None:
    folder = tmp_path / ".nself" / "plugins" / "ai"
    folder.mkdir(parents=True)
    (folder / ".env").write_text("PLUGIN_OPENAI_API_KEY=k\nPLUGIN_AI_DEFAULT_MODEL=m\n")
    told = found(HOME=str(tmp_path))
    assert (told.key, told.model) == ("k", "m")


def test_the_plugins_own_endpoint_comes_before_ollama() -> None:
    told = endpoint({}, answers=lambda url: True)
    assert told is not None
    assert told.base_url == "http://127.0.0.1:8010/ai/v1"


def test_nothing_configured_is_no_endpoint() -> None:
    assert endpoint({}, answers=no_port) is None


@pytest.mark.parametrize("address", ["ftp://x/v1", "not a url", "http://", "http://x:port/v1"])
def test_an_address_that_is_none_is_a_usage_error(address: str) -> None:
    with pytest.raises(UsageError, match="no http or https URL"):
        found(NSELF_AI_BASE_URL=address)
