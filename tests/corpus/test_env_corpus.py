"""The env files of real projects: every environment resolves to the same values afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import both_worlds as worlds
import env_facts
import projects
import pytest

from nself_tasks.artifacts import env, registry
from nself_tasks.artifacts.env_files import role
from nself_tasks.artifacts.env_validation import violations
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.artifacts.upgrade import upgraded
from nself_tasks.rewriting import dotenv

pytestmark = [pytest.mark.corpus, pytest.mark.usefixtures("corpus")]

CLONE = Path(__file__).parents[2]
SCHEMA = json.loads((CLONE / "schemas" / "env.schema.json").read_text())

DEMO_LEAK = "CS_1_HEALTHCHECK CS_2_QUEUE_NAME CS_3_HEALTHCHECK CS_4_HEALTHCHECK POSTGRES_PORT"
FAMILY_LEAK = """
    ADMIN_EMAIL API_SERVICE_PORT AUTH_ENABLED AUTH_SERVICE_PORT AUTO_FIX BASE_DOMAIN BCRYPT_ROUNDS
    COMPOSE_PROJECT_NAME CS_1 CS_2 DEBUG DEMO_MODE ENV FRONTEND_APP_1_DIR FRONTEND_APP_1_PORT
    FRONTEND_APP_1_ROUTE HASURA_ENABLED HASURA_GRAPHQL_ADMIN_SECRET HASURA_GRAPHQL_CORS_DOMAIN
    HASURA_GRAPHQL_DEV_MODE HASURA_GRAPHQL_ENABLE_CONSOLE HASURA_GRAPHQL_ENABLE_TELEMETRY
    HASURA_GRAPHQL_UNAUTHORIZED_ROLE HASURA_JWT_KEY HASURA_PORT HASURA_VERSION
    JWT_ACCESS_TOKEN_EXPIRES_IN JWT_REFRESH_TOKEN_EXPIRES_IN JWT_SECRET MAILHOG_ENABLED
    MAILPIT_SMTP_PORT MAILPIT_UI_PORT MAIL_FROM MAIL_SMTP_HOST MAIL_SMTP_PORT MINIO_CONSOLE_PORT
    MINIO_ENABLED MINIO_PORT MINIO_REGION MINIO_ROOT_PASSWORD MINIO_ROOT_USER NSELF_ADMIN_ENABLED
    POSTGRES_DB POSTGRES_EFFECTIVE_CACHE_SIZE POSTGRES_ENABLED POSTGRES_PASSWORD POSTGRES_PORT
    POSTGRES_USER POSTGRES_VERSION PROJECT_DESCRIPTION PROJECT_NAME REDIS_ENABLED REDIS_PASSWORD
    REDIS_PORT REDIS_VERSION S3_BUCKET SEED_USERS STORAGE_MAX_FILE_SIZE STORAGE_VERSION VERBOSE
"""
"""The only env file of the project is `.env.dev`: v1 used it in staging and prod as well."""

Place = Callable[[str], Path]
V1: dict[str, dict[str, str]] = {
    "_generated/nself-0.1.0-simple": {},
    "_generated/nself-v0.2.4-simple": {},
    "_generated/nself-v0.4.0-simple": {},
    "_generated/nself-v0.4.4-demo": {"env-dev-leak": DEMO_LEAK},
    "_generated/nself-v0.4.8-simple": {},
    "_generated/nself-v0.9.5-demo": {"env-dev-leak": DEMO_LEAK},
    "_generated/nself-v0.9.9-core": {},
    "_generated/nself-v0.9.9-demo": {"env-dev-leak": DEMO_LEAK},
    "acamarata-nself-app@v1/backend": {},
    "acamarata-nself-family@v1/backend": {"env-dev-leak": FAMILY_LEAK},
    "nself-org-task@v1-1c7af61/backend": {},
    "nself-org-chat@trap-4b0bcd8/backend": {},
}
"""For each v1 project the keys that a person must decide about."""


def evidence(folder: Path) -> Evidence:
    files, folders, texts = set(), set(), {}
    for kind in registry.kinds():
        for pattern in (*kind.lists, *kind.reads):
            for path in folder.glob(pattern):
                name = PurePosixPath(path.relative_to(folder))
                (folders if path.is_dir() else files).add(name)
                if path.is_file() and pattern in kind.reads:
                    texts[name] = path.read_bytes().decode("utf-8", "surrogateescape")
    return Evidence(frozenset(files), frozenset(folders), texts)


def after(seen: Evidence) -> Evidence:
    texts = dict(seen.texts)
    for path, new in upgraded(seen, env.detect(seen)).items():
        if new.text is not None:
            texts[path] = new.text
    return Evidence(seen.files | texts.keys(), seen.folders, texts)


def undecided(findings: list[Finding]) -> dict[str, set[str]]:
    manual = [f for f in findings if f.status == "manual"]
    return {f.rule: set(re.findall(r"\w+", f.message.split("would change: ")[1])) for f in manual}


def v1(seen: Evidence, names: tuple[str, ...]) -> dict[str, str]:
    """What v1 sets; what only the process has, `${PROD_DB_PASSWORD}`, is empty in both."""
    return worlds.sourced(entries(seen, name) for name in names)


def v2(seen: Evidence, names: tuple[str, ...]) -> dict[str, str]:
    """What v2 sets."""
    return worlds.loaded(entries(seen, name) for name in names)


def entries(seen: Evidence, name: str) -> Iterator[worlds.Entry]:
    for assignment in dotenv.parse(seen.text(name) or ""):
        if assignment.value is not None:
            yield assignment.key, assignment.value, assignment.quote == "'"


@pytest.mark.parametrize("name", V1)
def test_a_person_decides_about_these_keys_only(name: str, place: Place) -> None:
    expected = {rule: set(keys.split()) for rule, keys in V1[name].items()}
    assert undecided(list(env.detect(evidence(place(name))))) == expected


@pytest.mark.parametrize("name", V1)
@pytest.mark.parametrize("environment", env_facts.V1_FILES)
def test_every_environment_resolves_to_the_same_values(
    name: str, environment: str, place: Place
) -> None:
    before = evidence(place(name))
    people = {key for keys in V1[name].values() for key in keys.split()}
    old = v1(before, env_facts.V1_FILES[environment])
    new = v2(after(before), env_facts.V2_FILES[environment])
    wanted = {key: value for key, value in env_facts.means(old).items() if key not in people}
    if not old:
        # v1 read no file for it: it was no environment of the project.
        return
    assert {key: new.get(key, env_facts.DEFAULTS.get(key)) for key in wanted} == wanted
    beside = {key: value for key, value in new.items() if key not in {*wanted, *people}}
    assert beside == {key: old.get(key) for key in beside}


@pytest.mark.parametrize("name", V1)
def test_nothing_is_left_after_one_upgrade(name: str, place: Place) -> None:
    now = after(evidence(place(name)))
    assert [f for f in env.detect(now) if f.changes] == []
    assert after(now).texts == now.texts


@pytest.mark.parametrize("name", V1)
def test_what_is_written_is_what_v2_expects(name: str, place: Place) -> None:
    now = after(evidence(place(name)))
    for path, text in now.texts.items():
        if path.name.startswith(".env") and role(path.name) != "other":
            assert violations(text, SCHEMA) == [], path


@pytest.mark.parametrize("name", V1)
def test_no_two_kinds_meet_in_one_place(name: str, place: Place) -> None:
    seen = evidence(place(name))
    upgraded(seen, registry.detect(seen))


def test_what_the_demo_overrode_locally_stays_so() -> None:
    now = after(evidence(projects.CORPUS / "_generated/nself-v0.9.9-demo"))
    assert v2(now, (".env.local",)) == {"BASE_DOMAIN": "localhost", "ENV": "dev"}


def test_no_other_project_has_anything_to_change() -> None:
    others = {path.parent for path in projects.CORPUS.rglob(".env*")} - {
        projects.CORPUS / name for name in V1
    }
    found = [f for folder in others for f in env.detect(evidence(folder))]
    assert {f.status for f in found} <= {"keep"}
    assert len(others) > 20
