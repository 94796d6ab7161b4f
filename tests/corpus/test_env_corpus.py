"""The env files of real projects: every environment resolves to the same values afterwards."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath

import pytest

from nself_tasks.artifacts import env, registry
from nself_tasks.artifacts.env_files import ENVIRONMENTS, order, role
from nself_tasks.artifacts.env_keys import renamed, revalued
from nself_tasks.artifacts.env_removed_keys import removed
from nself_tasks.artifacts.env_validation import violations
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.artifacts.upgrade import upgraded
from nself_tasks.rewriting import dotenv

pytestmark = pytest.mark.corpus

CLONE = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("NSELF_CORPUS") or CLONE.parent / "shared" / "corpus")
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


@pytest.fixture(autouse=True)
def corpus() -> Path:
    if not CORPUS.is_dir():
        pytest.skip("the corpus of real projects is not beside the clone (NSELF_CORPUS)")
    return CORPUS


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


def effective(seen: Evidence, names: tuple[str, ...]) -> dict[str, str]:
    merged: dict[str, dotenv.Assignment] = {}
    for name in names:
        for assignment in dotenv.parse(seen.text(name) or ""):
            if assignment.value is not None:
                merged[assignment.key] = assignment
    return dotenv.interpolate(merged, {"PROD_DB_PASSWORD": "p", "STAGING_DB_PASSWORD": "s"})


@pytest.mark.parametrize("name", V1)
def test_a_person_decides_about_these_keys_only(name: str) -> None:
    expected = {rule: set(keys.split()) for rule, keys in V1[name].items()}
    assert undecided(list(env.detect(evidence(CORPUS / name)))) == expected


@pytest.mark.parametrize("name", V1)
def test_every_environment_resolves_to_the_same_values(name: str) -> None:
    before = evidence(CORPUS / name)
    now = after(before)
    people = {key for keys in V1[name].values() for key in keys.split()}
    for environment in ENVIRONMENTS:
        old = effective(before, order(environment, "v1"))
        new = effective(now, order(environment, "v2"))
        for key, value in old.items():
            row = renamed(key)
            if key not in people and not (row and row.new in people) and not removed(key):
                wanted = revalued(key, value) or value
                same = row is not None and row.conversion == "same" and row.new not in old
                if same and row and key not in new:
                    assert new[row.new] == wanted, (environment, key)
                elif not row:
                    assert new.get(key) == wanted, (environment, key)
        if old:
            names = {row.new for key in old if (row := renamed(key))}
            gained = new.keys() - old.keys() - names - people
            assert gained <= {"HASURA_JWT_TYPE", "SEARCH_ENGINE"}, environment


@pytest.mark.parametrize("name", V1)
def test_nothing_is_left_after_one_upgrade(name: str) -> None:
    now = after(evidence(CORPUS / name))
    assert [f for f in env.detect(now) if f.changes] == []
    assert after(now).texts == now.texts


@pytest.mark.parametrize("name", V1)
def test_what_is_written_is_what_v2_expects(name: str) -> None:
    now = after(evidence(CORPUS / name))
    for path, text in now.texts.items():
        if path.name.startswith(".env") and role(path.name) != "other":
            assert violations(text, SCHEMA) == [], path


@pytest.mark.parametrize("name", V1)
def test_no_two_kinds_meet_in_one_place(name: str) -> None:
    seen = evidence(CORPUS / name)
    upgraded(seen, registry.detect(seen))


def test_what_the_demo_overrode_locally_stays_so() -> None:
    now = after(evidence(CORPUS / "_generated/nself-v0.9.9-demo"))
    assert effective(now, (".env.local",)) == {"BASE_DOMAIN": "localhost", "ENV": "dev"}


def test_no_other_project_has_anything_to_change() -> None:
    others = {path.parent for path in CORPUS.rglob(".env*")} - {CORPUS / name for name in V1}
    found = [f for folder in others for f in env.detect(evidence(folder))]
    assert {f.status for f in found} <= {"keep"}
    assert len(others) > 20
