"""What a service has by `<<`, by an alias or by `extends` counts as what it has."""

from __future__ import annotations

import carried_projects
import pytest
from trees_for_tests import evidence, found, kind, upgrade

from nself_tasks.artifacts.finding import Finding
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.yaml_values import plain

V1 = carried_projects.V1
KINDS = (kind("compose"), kind("env"))
COMPOSE = "docker-compose.yml"
SAFE = """\
x-safe: &safe
  logging:
    driver: syslog
  security_opt:
    - seccomp:./ledger.json
"""
LEDGER = "    image: ledger:3\n"
AUTH = "    image: nhost/hasura-auth:0.36.0\n"
POSTGRES = "    image: postgres:16-alpine\n"


def changed(old: str, new: str, text: str = V1) -> str:
    assert old in text
    return text.replace(old, new, 1)


def after(text: str, env: str = carried_projects.ENV, **more: str) -> dict[str, str]:
    """The files of the upgraded project by name."""
    done = upgrade(evidence({COMPOSE: text, ".env": env, **dotted(more)}), KINDS)
    return {str(path): content for path, content in done.texts.items()}


def findings(text: str, env: str = carried_projects.ENV, **more: str) -> list[Finding]:
    return found(evidence({COMPOSE: text, ".env": env, **dotted(more)}), KINDS)


def dotted(files: dict[str, str]) -> dict[str, str]:
    return {"." + name.replace("_", "."): text for name, text in files.items()}


def service(text: str, name: str) -> dict[str, object]:
    root = yaml_spans.read(text)
    assert isinstance(root, yaml_spans.Node)
    settings = plain(root)["services"][name]
    assert isinstance(settings, dict)
    return settings


# --- logging and security_opt ---


@pytest.mark.parametrize(("name", "image"), [("ledger", LEDGER), ("auth", AUTH)])
@pytest.mark.parametrize("merge", ["<<: *safe", "<<: [*safe]"])
def test_what_comes_by_merge_is_not_covered(name: str, image: str, merge: str) -> None:
    done = after(SAFE + changed(image, f"    {merge}\n{image}"))[COMPOSE]
    assert service(done, name)["logging"] == {"driver": "syslog"}
    assert service(done, name)["security_opt"] == ["seccomp:./ledger.json"]
    assert found(evidence({COMPOSE: done}), KINDS)[0].rule == "compose-v2"


def test_what_only_half_comes_by_merge_is_made_whole() -> None:
    half = "x-log: &log\n  logging:\n    driver: none\n"
    done = after(half + changed(LEDGER, f"    <<: *log\n{LEDGER}"))[COMPOSE]
    assert service(done, "ledger")["logging"] == {"driver": "none"}
    assert service(done, "ledger")["security_opt"] == []


def test_a_merge_without_them_is_no_reason_to_leave_them_out() -> None:
    other = "x-own: &own\n  restart: always\n"
    done = after(other + changed(AUTH, f"    <<: *own\n{AUTH}"))[COMPOSE]
    assert service(done, "auth")["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("extends", ["{service: minio}", "{file: common.yml, service: a}"])
def test_what_a_service_extends_is_merged_with_empty_ones_only(extends: str) -> None:
    done = after(changed(AUTH, f"    extends: {extends}\n{AUTH}"))[COMPOSE]
    assert service(done, "auth")["logging"] == {}
    assert service(done, "auth")["security_opt"] == []


def test_variables_in_what_is_merged_are_upgraded_where_they_stand() -> None:
    fields = "x-e: &e\n  D: ${DATABASE_URL}\n  M: ${HASURA_DEV_MODE:-false}\n"
    text = fields + changed(LEDGER, f"{LEDGER}    labels:\n      <<: *e\n")
    done = after(text)[COMPOSE]
    assert "M: ${HASURA_DEV_MODE:-${HASURA_GRAPHQL_DEV_MODE:-false}}" in done
    assert "D: ${DATABASE_URL:-postgresql://" in done


# --- which Postgres a later build must keep ---


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ("x-pg: &pg\n  image: postgres:15-alpine\n", "    <<: *pg\n"),
        ("x-pg: &pg postgres:15-alpine\n", "    image: *pg\n"),
        ("x-pg: &pg\n  image: postgres:14\n", "    <<: *pg\n    image: postgres:15-alpine\n"),
    ],
    ids=["merged", "alias", "merged and covered"],
)
def test_the_image_is_pinned_wherever_it_is_written(fields: str, written: str) -> None:
    assert (
        "\nPOSTGRES_IMAGE=postgres:15-alpine\n"
        in after(fields + changed(POSTGRES, written))[".env"]
    )


def test_an_image_that_is_extended_in_the_same_file_is_pinned() -> None:
    text = changed(POSTGRES, "    extends: base\n")
    text = changed("  hasura:\n", "  base:\n    image: postgres:15-alpine\n  hasura:\n", text)
    assert "\nPOSTGRES_IMAGE=postgres:15-alpine\n" in after(text)[".env"]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("    extends: {file: common.yml, service: pg}\n", "by `extends` from `common.yml`"),
        ("    build: ./pg\n", "is built here"),
        ("    build: ./pg\n    image: ours\n", "is built here"),
    ],
    ids=["another file", "built", "built under a name"],
)
def test_an_image_that_no_file_tells_is_for_a_person(written: str, why: str) -> None:
    [row] = [f for f in findings(changed(POSTGRES, written)) if f.rule == "compose-images"]
    assert row.status == "manual"
    assert why in row.message
    assert "POSTGRES_IMAGE" in row.action
    assert "POSTGRES_IMAGE" not in after(changed(POSTGRES, written))[".env"]


def test_images_that_differ_between_environments_are_named_with_theirs() -> None:
    text = changed(POSTGRES, "    image: postgres:${PG_TAG:-13-alpine}\n")
    env = {"env_dev": "PG_TAG=15\n", "env_prod": "PG_TAG=14\n"}
    [row] = [f for f in findings(text, **env) if f.rule == "compose-images"]
    assert row.status == "manual"
    assert "POSTGRES_IMAGE=postgres:15 in `.env.dev`" in row.action
    assert "POSTGRES_IMAGE=postgres:14 in `.env.prod`" in row.action


def test_after_the_upgrade_the_row_is_still_there() -> None:
    text = changed(POSTGRES, "    image: postgres:${PG_TAG:-13-alpine}\n")
    env = {".env.dev": "PG_TAG=15\n", ".env.prod": "PG_TAG=14\n"}
    done = upgrade(evidence({COMPOSE: text, ".env": carried_projects.ENV, **env}), KINDS)
    [row] = [f for f in found(done, KINDS) if f.rule == "compose-images"]
    assert (row.status, row.is_v1) == ("manual", False)


def test_settings_that_say_it_already_leave_nothing_to_decide() -> None:
    text = changed(POSTGRES, "    image: postgres:${PG_TAG:-13-alpine}\n")
    env = {
        "env_dev": "PG_TAG=15\nPOSTGRES_IMAGE=postgres:15\n",
        "env_prod": "PG_TAG=14\nPOSTGRES_IMAGE=postgres:14\n",
    }
    assert [f for f in findings(text, **env) if f.rule == "compose-images"] == []


def test_one_image_written_out_leaves_nothing_to_decide() -> None:
    assert [f for f in findings(V1) if f.rule == "compose-images"] == []


def test_a_file_that_is_left_alone_still_says_which_images_a_build_must_keep() -> None:
    rows = {f.rule: f for f in findings(V1 + "  flow: {image: x}\n")}
    assert "POSTGRES_IMAGE=postgres:16-alpine" in rows["compose-pins"].action
    assert (rows["compose-pins"].status, rows["compose-pins"].changes) == ("manual", ())
    rows = {f.rule: f for f in findings(V1, "PROJECT_NAME=other\n")}
    assert "POSTGRES_IMAGE=postgres:16-alpine" in rows["compose-images"].action
