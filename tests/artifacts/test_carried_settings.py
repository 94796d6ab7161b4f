"""All that a v1 container is, its v2 one is too, but for what v2 adds by itself."""

from __future__ import annotations

import carried_projects
import pytest
from carried_lines import FIELDS, GENERATED, OWN, objection
from carried_projects import ENV_V2, V1, V2
from trees_for_tests import evidence

from nself_tasks.artifacts.carried_over import lost

# --- what is refused ---


@pytest.mark.parametrize("name", FIELDS)
def test_what_a_service_of_ones_own_loses_is_named(name: str) -> None:
    said = objection(FIELDS[name], None)
    assert said is not None
    assert f"`{name}` of the service `ledger`" in said


@pytest.mark.parametrize(
    "name", [name for name in FIELDS if name not in ("build", "container_name")]
)
def test_what_a_generated_service_loses_is_named(name: str) -> None:
    said = objection(FIELDS[name], None, GENERATED)
    assert said is not None
    assert f"`{name}` of the service `auth`" in said


@pytest.mark.parametrize("name", sorted({*FIELDS} - {"container_name"}))
def test_what_a_service_of_ones_own_gets_is_named(name: str) -> None:
    said = objection(None, FIELDS[name])
    assert said is not None
    assert f"`{name}` of the service `ledger`" in said


@pytest.mark.parametrize(
    "name", ["ports", "command", "user", "cap_add", "privileged", "profiles", "network_mode", "pid"]
)
def test_v2_may_not_add_just_anything_to_what_it_generates(name: str) -> None:
    said = objection(None, FIELDS[name], GENERATED)
    assert said is not None
    assert f"`{name}` of the service `auth`" in said


@pytest.mark.parametrize(
    ("old", "new", "service"),
    [
        ('ports: ["127.0.0.1:5432:5432"]', 'ports: ["5432:5432"]', "postgres"),
        ('ports: ["6543:5432"]', 'ports: ["5432:5432"]', "postgres"),
        ('ports: ["53:53/udp"]', 'ports: ["53:53"]', "auth"),
        ("command: postgres -c wal_level=logical", "command: postgres", "postgres"),
        ("environment: {A: secret-one}", "environment: {A: secret-two}", "auth"),
        ("environment: {A: secret-one}", None, "auth"),
        ("healthcheck: {test: pg_isready}", "healthcheck: {disable: true}", "auth"),
        ("deploy: {replicas: 3}", "deploy: {resources: {limits: {cpus: '1'}}}", "auth"),
        ("labels: {a: one}", "labels: {a: two}", "auth"),
        ("security_opt: [seccomp:x.json]", None, "auth"),
        ('command: ""', None, "auth"),
        ("volumes: [./own:/own]", None, "auth"),
        ("volumes: [./own:/own]", "volumes: [./own:/own:ro]", "auth"),
        ("volumes: [./own:/own:ro]", "volumes: [./own:/own]", "auth"),
    ],
)  # fmt: skip
def test_another_value_is_named_and_never_shown(old: str, new: str | None, service: str) -> None:
    said = objection(old, new, service)
    assert said is not None
    assert service in said
    assert "secret-" not in said


def test_a_network_that_is_closed_to_the_outside_stays_so() -> None:
    old = V1.replace("    driver: bridge\n", "    driver: bridge\n    internal: true\n", 1)
    files = {".env": carried_projects.ENV}
    said = lost(
        evidence({"docker-compose.yml": old, **files}),
        evidence({"docker-compose.yml": V2, ".env": ENV_V2}),
    )
    assert said == "it changes `networks` `shop_network`"


# --- what is taken ---


@pytest.mark.parametrize("service", [OWN, GENERATED])
@pytest.mark.parametrize("name", sorted({*FIELDS} - {"build"}))
def test_what_stays_is_taken(name: str, service: str) -> None:
    assert objection(FIELDS[name], FIELDS[name], service) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("command: serve --all", "command: [serve, --all]"),
        ('ports: ["127.0.0.1:80:80"]', "ports: [{target: 80, published: 80, host_ip: 127.0.0.1}]"),
        ("user: 1000", 'user: "1000"'),
        ("privileged: true", 'privileged: "true"'),
        ("labels: [a=1]", "labels: {a: 1}"),
        ('extra_hosts: ["a:1.2.3.4"]', "extra_hosts: {a: 1.2.3.4}"),
        ("healthcheck: {test: pg_isready, interval: 60s}",
         "healthcheck: {test: [CMD-SHELL, pg_isready], interval: 1m0s}"),
        ("depends_on: [postgres]", "depends_on: {postgres: {condition: service_started}}"),
        ("depends_on: [postgres, minio-client]", "depends_on: [postgres]"),
        ("env_file: own.env", "env_file: [own.env]"),
        ("cap_add: [A, B]", "cap_add: [B, A]"),
        ("x-own: 1", None),
        ("profiles: []", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("service", [OWN, GENERATED])
def test_another_way_of_writing_it_is_taken(old: str, new: str | None, service: str) -> None:
    assert objection(old, new, service) is None


def test_a_mount_in_long_form_is_the_same_mount() -> None:
    short, long_ = (
        "./books:/books:ro",
        "{type: bind, source: ./books, target: /books, read_only: true}",
    )
    assert objection(f"volumes: [{short}]", f"volumes: [{long_}]", GENERATED) is None


@pytest.mark.parametrize(
    "line",
    [
        "deploy: {resources: {limits: {memory: 1g}}}",
        "cap_drop: [ALL]",
        "read_only: true",
        "tmpfs: [/tmp]",
        "restart: unless-stopped",
        'healthcheck: {test: ["CMD", "true"]}',
        "environment: {NEW: setting}",
        "labels: {org.nself: auth}",
    ],
)
def test_v2_may_limit_what_it_generates(line: str) -> None:
    assert objection(None, line, GENERATED) is None


@pytest.mark.parametrize(
    ("old", "new", "environment", "taken"),
    [
        ("80:80", "127.0.0.1:80:80", "dev", True),
        ("80:80", "0.0.0.0:80:80", "prod", True),
        ("80:80", "127.0.0.1:80:80", "prod", False),
        ("127.0.0.1:80:80", "80:80", "dev", False),
        ("80:80", "8080:80", "dev", False),
    ],
)
def test_nginx_answers_the_machine_alone_in_dev_only(
    old: str, new: str, environment: str, taken: bool
) -> None:
    said = objection(f'ports: ["{old}"]', f'ports: ["{new}"]', "nginx", env=environment)
    assert said == (None if taken else "it changes `ports` of the service `nginx`")
