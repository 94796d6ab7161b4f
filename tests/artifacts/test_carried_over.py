"""Nothing that v1 runs is lost in a v2 compose file, whoever writes it."""

from __future__ import annotations

import carried_projects
import nginx_projects
import pytest
from carried_projects import ENV_V2, REAL_SWAP, V1, V2
from trees_for_tests import evidence, upgrade

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.carried_over import changed_settings, lost

DATA = "/var/lib/postgresql/data"
BEFORE = {"docker-compose.yml": V1, ".env": carried_projects.ENV}


def objection(
    new: str, old: str = V1, *, env: str = ENV_V2, more: dict[str, str] | None = None
) -> str | None:
    """What is said against a new file in the place of an old one."""
    before = {**BEFORE, "docker-compose.yml": old, **(more or {})}
    return lost(evidence(before), evidence({**before, "docker-compose.yml": new, ".env": env}))


def changed(old: str, new: str, text: str = V2) -> str:
    assert old in text
    return text.replace(old, new, 1)


def without_user(text: str) -> str:
    return text.replace('    user: "70:70"\n', "").replace("        user: 70:70\n", "")


# --- what may change ---


@pytest.mark.parametrize(
    "new",
    [
        V2,
        changed("image: postgres:16-alpine", "image: docker.io/library/postgres:16-alpine"),
        changed("user: 70:70", 'user: "70"'),
        changed("user: 70:70", "user: 70:70\n        shm_size: 256mb"),
        changed("POSTGRES_DB: shop", f"PGDATA: {DATA}\n            POSTGRES_DB: shop"),
        changed("    postgres_data: {}", "    postgres_data:\n        name: shop_postgres_data"),
        changed("    postgres_data: {}", "    postgres_data:\n        driver: local"),
        changed(f"postgres_data:{DATA}", f"postgres_data:{DATA}/"),
        changed("image: nginx:1.25-alpine", "image: nginx:1.27"),
        changed("postgres://postgres", "postgresql://postgres"),
        changed("@postgres:5432/shop", "@postgres/shop?sslmode=disable"),
        changed("POSTGRES_DB: shop", "POSTGRES_DB: ${POSTGRES_DB:-shop}"),
        changed("    ledger:\n", "    extra:\n        image: new:1\n    ledger:\n"),
        changed("            - ./postgres/init:/docker-entrypoint-initdb.d:ro\n", ""),
        changed("max-size: 10m", "tag: '$${NOT_A_VARIABLE} ${DEFAULTED:-x}'"),
    ],
    ids=str,
)  # fmt: skip
def test_what_costs_neither_data_nor_versions_is_taken(new: str) -> None:
    assert objection(new) is None


def test_our_own_upgrade_loses_nothing() -> None:
    before = evidence(carried_projects.files())
    assert lost(before, upgrade(before, registry.kinds())) is None


def test_a_user_that_is_the_images_own_may_be_written_down() -> None:
    assert objection(V2, without_user(V1)) is None
    assert objection(without_user(V2)) is None


def test_mailhog_may_become_mailpit() -> None:
    old = changed("  auth:\n", "  mailhog:\n    image: mailhog/mailhog:latest\n  auth:\n", V1)
    new = changed("    auth:\n", "    mailpit:\n        image: axllent/mailpit:1\n    auth:\n")
    assert objection(new, old) is None
    assert objection(V2, old) == "it leaves out the service `mailhog`"


# --- what is refused ---


def test_another_postgres_on_the_same_volume_is_named() -> None:
    said = "it swaps the image of postgres: postgres:16-alpine to pgvector/pgvector:pg16"
    assert objection(REAL_SWAP) == said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: shop\n", "name: store\n", "it names the project `store` instead of `shop`"),
        ("name: shop\n", "", "it names the project `nothing` instead of `shop`"),
        ("postgres:16-alpine", "postgres:17-alpine", "it swaps the image of postgres"),
        ("postgres:16-alpine", "postgres", "it swaps the image of postgres"),
        ("user: 70:70", "user: 999:999", "another user: 70:70 to 999:999"),
        (
            "POSTGRES_DB: shop",
            "PGDATA: /var/lib/postgresql/data/pgdata\n            POSTGRES_DB: shop",
            "the data of postgres: /var/lib/postgresql/data to /var/lib/postgresql/data/pgdata",
        ),
        (
            "user: 70:70",
            "user: 70:70\n        command: postgres -c data_directory=/var/lib/postgresql/new",
            "it moves the data of postgres",
        ),
        ("postgres_data:/var", "ledger_data:/var", "another place for the data of postgres"),
        ("data:/var/lib/postgresql/data", "data:/var/lib/postgresql", "another place"),
        ("            - /run/postgresql", "            - /var/lib/postgresql/data/pg_wal", "place"),
        ("    postgres_data: {}", "    postgres_data: {name: pg}", "another place"),
        (
            "    postgres_data: {}",
            "    postgres_data: {driver_opts: {device: /mnt}}",
            "it changes the settings of the volume `shop_postgres_data`",
        ),
        ("engine:v2.36.0", "engine:v2.44.0", "hasura: hasura/graphql-engine:v2.36.0 to"),
        ("hasura-auth:0.36.0", "hasura-auth:latest", "it changes the version of auth"),
        ("minio:RELEASE.2024", "minio:RELEASE.2025", "it changes the version of minio"),
        ("minio_data:/data", "minio_data:/export", "it takes `shop_minio_data` away from minio"),
        ("ledger:3", "ledger:4", "it changes the version of ledger"),
        ("LEDGER_MODE=strict", "LEDGER_MODE=lax", "it changes `environment.LEDGER_MODE` of the"),
        ("./ledger.toml:", "./other.toml:", "it takes `./ledger.toml` away from ledger"),
        ("./nginx/sites:", "./nginx/other:", "it takes `./nginx/sites` away from nginx"),
        ("POSTGRES_DB: shop", "POSTGRES_DB: nself", "it gives postgres another POSTGRES_DB"),
        ("            POSTGRES_DB: shop\n", "", "it gives postgres another POSTGRES_DB"),
        ("POSTGRES_USER: postgres", "POSTGRES_USER: root", "another POSTGRES_USER"),
        (
            "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}",
            "POSTGRES_PASSWORD: 4711",
            "it gives postgres another POSTGRES_PASSWORD",
        ),
        ("@postgres:5432/shop", "@postgres:5432/nself", "another HASURA_GRAPHQL_DATABASE_URL"),
        (
            "${HASURA_GRAPHQL_ADMIN_SECRET}",
            "0123456789abcdef",
            "it gives hasura another HASURA_GRAPHQL_ADMIN_SECRET",
        ),
        ("shop_auth", "${NEW_NAME}", "it takes `NEW_NAME` from the environment, and no env file"),
        ("postgres://postgres:${POSTGRES_PASSWORD}@postgres:5432/shop", "${DATABASE_URL}", "DATAB"),
    ],
    ids=str,
)  # fmt: skip
def test_is_refused_by_name(old: str, new: str, said: str) -> None:
    found = objection(changed(old, new))
    assert found is not None
    assert said in found
    assert "the-" not in found


@pytest.mark.parametrize("service", ["ledger", "auth", "minio", "postgres", "nginx"])
def test_a_service_that_is_gone_is_named(service: str) -> None:
    start = V2.index(f"    {service}:\n        image")
    end = V2.find("no-new-privileges:true\n", start) + len("no-new-privileges:true\n")
    assert objection(V2[:start] + V2[end:]) == f"it leaves out the service `{service}`"


def test_every_environment_that_the_file_serves_counts() -> None:
    more = {".env.prod": "POSTGRES_DB=live\n"}
    assert objection(V2, more=more) == "it gives postgres another POSTGRES_DB"
    new = changed("POSTGRES_DB: shop", "POSTGRES_DB: ${POSTGRES_DB:-shop}")
    new = changed("@postgres:5432/shop", "@postgres:5432/${POSTGRES_DB:-shop}", new)
    assert objection(new, more=more) is None


def test_an_image_that_only_v1s_order_of_the_files_gives_is_the_one_that_counts() -> None:
    old = changed("engine:v2.36.0", "engine:${HASURA_VERSION:-v2.36.0}", V1)
    more = {".env.dev": "HASURA_VERSION=v2.40.0\n"}
    new = changed("engine:v2.36.0", "engine:v2.40.0")
    assert objection(new, old, more=more) is None
    assert "v2.40.0 to" in str(objection(V2, old, more=more))


def test_certificates_stay_where_hand_written_sites_look_for_them() -> None:
    site = nginx_projects.BY_HAND.replace(
        "listen 80;", "listen 443 ssl;\n    ssl_certificate /etc/nginx/ssl/claw/fullchain.pem;"
    )
    more = {"nginx/sites/own.conf": site}
    assert "`./ssl/certificates` away from nginx" in str(objection(V2, more=more))
    kept = changed("./ssl:/etc/nginx/ssl:ro", "./ssl/certificates:/etc/nginx/ssl:ro")
    assert objection(kept, more=more) is None


def test_without_knowing_what_v1_ran_nothing_is_taken() -> None:
    unknown = changed("# Project: shop\n", "# Project: other\n", V1)
    assert "what v1 ran cannot be told" in str(objection(V2, unknown))


def test_a_variable_that_v1_leaves_empty_as_well_is_no_objection() -> None:
    old = changed(
        "      HASURA_GRAPHQL_ADMIN",
        "      HASURA_DEV: ${HASURA_DEV_MODE}\n      HASURA_GRAPHQL_ADMIN",
        V1,
    )
    new = changed("shop_auth", "shop_auth${HASURA_GRAPHQL_DEV_MODE}")
    assert objection(new, old) is None


# --- settings ---


def test_settings_are_compared_as_v2_resolves_them() -> None:
    before = evidence({".env": "A=1\nB=2\n"})
    assert changed_settings(before, evidence({".env": "B=2\n", ".env.local": "A=1\n"})) == ()
    assert changed_settings(before, evidence({".env": "A=1\nB=2 # x\n"})) == ()
    assert changed_settings(before, evidence({".env": "A=1\nB=3\nC=4\n"})) == ("B", "C")
    assert changed_settings(before, evidence({".env": "A=1\nB=2", ".env.prod": "A=9"})) == ("A",)
