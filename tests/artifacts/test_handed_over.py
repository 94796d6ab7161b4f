"""What hangs on the env files: other compose files, whole files that containers get, data paths."""

from __future__ import annotations

from pathlib import PurePosixPath

import carried_projects
import pytest
from trees_for_tests import evidence

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.finding import Finding
from nself_tasks.artifacts.upgrade import upgraded

COMPOSE = "docker-compose.yml"
V1 = carried_projects.V1
OWN = "    image: ledger:3\n"
LEVEL = "HASURA_LOG_LEVEL=warn\n"
RUNTIME = "# Generated runtime environment for: dev\n# Cascade order:\nA=b\n"


def findings(files: dict[str, str]) -> list[Finding]:
    return list(registry.detect(evidence({COMPOSE: V1, ".env": carried_projects.ENV} | files)))


def ruled(files: dict[str, str], rule: str) -> list[Finding]:
    return [finding for finding in findings(files) if finding.rule == rule]


def becomes(files: dict[str, str], name: str = ".env") -> str | None:
    seen = evidence({COMPOSE: V1, ".env": carried_projects.ENV} | files)
    new = upgraded(seen, registry.detect(seen)).get(PurePosixPath(name))
    return new.text if new else seen.text(name)


def with_env_file(name: str) -> str:
    return V1.replace(OWN, f"{OWN}    env_file: {name}\n")


# --- a line that means nothing ---


@pytest.mark.parametrize("name", [".env", ".env.prod", ".env.secrets"])
def test_nothing_is_written_into_env_files_of_which_one_has_a_broken_line(name: str) -> None:
    broken = {name: carried_projects.ENV + "this is no setting\n"}
    assert not [f for f in findings(broken) if f.kind in ("env", "compose") and f.changes]
    [compose] = ruled(broken, "compose-header")
    assert (compose.status, f"of `{name}` is no setting" in compose.message) == ("manual", True)


def test_once_the_line_is_mended_the_old_keys_are_renamed() -> None:
    assert "HASURA_GRAPHQL_ADMIN_SECRET=" in (becomes({}) or "")


@pytest.mark.parametrize("name", [".env.example", ".env.bak"])
def test_a_broken_line_in_a_file_that_nself_does_not_read_stops_nothing(name: str) -> None:
    assert ruled({name: "this is no setting\n"}, "compose-header")[0].status == "migrate"


# --- keys that others read ---


@pytest.mark.parametrize(
    "files",
    [
        {COMPOSE: V1 + "include: [jobs.yml]\n", "jobs.yml": "x: ${HASURA_LOG_LEVEL}\n"},
        {COMPOSE: V1 + "include: [{path: [a/jobs.yml]}]\n", "a/jobs.yml": "x: $HASURA_LOG_LEVEL\n"},
        {
            COMPOSE: V1.replace(OWN, f"{OWN}    extends: {{file: base.yml, service: b}}\n"),
            "base.yml": "services: {b: {command: echo ${HASURA_LOG_LEVEL}}}\n",
        },
        {"docker-compose.override.yml": "services: {ledger: {labels: [$HASURA_LOG_LEVEL]}}\n"},
        {COMPOSE: with_env_file(".env.prod"), ".env.prod": LEVEL},
        {COMPOSE: with_env_file("[./.env]")},
        {COMPOSE: with_env_file("[{path: .env, required: false}]")},
        {COMPOSE: with_env_file(".env.${ENV}")},
    ],
    ids=["include", "include below", "extends", "override", "file", "list", "long", "variable"],
)
def test_a_key_that_another_file_or_container_reads_keeps_its_name(files: dict[str, str]) -> None:
    name = ".env.prod" if ".env.prod" in files else ".env"
    text = becomes({".env": carried_projects.ENV + LEVEL, **files}, name)
    assert text is not None
    assert LEVEL in text
    assert "HASURA_GRAPHQL_LOG_LEVEL=warn" in text


@pytest.mark.parametrize(
    "files",
    [
        {"jobs.yml": "x: 1\n", COMPOSE: V1 + "include: [jobs.yml]\n"},
        {COMPOSE: with_env_file("own.env"), "own.env": LEVEL},
        {COMPOSE: V1 + "include: [https://x.example/jobs.yml]\n"},
    ],
    ids=["unused", "another file", "elsewhere"],
)
def test_a_key_that_nobody_else_reads_is_renamed(files: dict[str, str]) -> None:
    text = becomes({".env": carried_projects.ENV + LEVEL, **files})
    assert text is not None
    assert LEVEL not in text.splitlines(keepends=True)


def test_what_containers_get_besides_is_named() -> None:
    [found] = ruled({COMPOSE: with_env_file(".env")}, "compose-env-file")
    assert "HASURA_GRAPHQL_ADMIN_SECRET of ledger" in found.message


def test_a_variable_that_v1_computed_and_an_override_uses_is_not_lost() -> None:
    override = "services: {ledger: {networks: ['${DOCKER_NETWORK}']}}\n"
    [found] = ruled({"docker-compose.override.yml": override}, "compose-header")
    assert found.status == "manual"
    assert "`docker-compose.override.yml` uses DOCKER_NETWORK, which v1 computed" in found.message


# --- the files that v1 generated ---


@pytest.mark.parametrize("name", [".env.runtime", "[.env, ./.env.runtime]", ".env.${WHICH}"])
def test_a_generated_file_that_a_container_gets_stays(name: str) -> None:
    [found] = ruled({COMPOSE: with_env_file(name), ".env.runtime": RUNTIME}, "env-runtime")
    assert (found.status, found.changes) == ("manual", ())


def test_a_generated_file_that_nobody_gets_is_moved_away() -> None:
    [found] = ruled({COMPOSE: with_env_file("own.env"), ".env.runtime": RUNTIME}, "env-runtime")
    assert (found.status, found.changes[0].moved_away) == ("migrate", True)


# --- what hangs on a setting that a person has to decide ---

DATA = {
    ".env": carried_projects.ENV,
    ".env.local": "DATA=/srv/mine\n",
    ".env.prod": "DATA=/srv/live\n",
}


def test_a_data_path_by_an_undecided_key_is_not_moved() -> None:
    path = V1.replace(OWN, f"{OWN}    tmpfs: ['${{DATA}}']\n")
    [found] = ruled({COMPOSE: path, **DATA}, "compose-header")
    assert found.status == "manual"
    assert "tmpfs of ledger (DATA)" in found.message


def test_an_undecided_key_that_only_an_environment_uses_does_not_stop_the_file() -> None:
    [found] = ruled(DATA, "compose-header")
    assert found.status == "migrate"
