"""What an override file puts over the values of the first one, and what it only adds."""

from __future__ import annotations

import carried_projects
import pytest
from trees_for_tests import evidence

from nself_tasks.artifacts import compose
from nself_tasks.artifacts.finding import Finding

V1 = carried_projects.V1.replace(
    "    image: ledger:3\n",
    "    image: ledger:3\n    labels: [a=1]\n    healthcheck: {test: [CMD, a], interval: 5s}\n"
    '    ports: ["80:80"]\n    stop_grace_period: 2m\n    logging: {driver: none}\n',
)


def override(service: str, more: str = "") -> Finding:
    """What is said about an override with these settings of `ledger`."""
    text = f"services:\n  ledger: {service}\n{more}"
    files = {"docker-compose.yml": V1, "docker-compose.override.yml": text}
    given = evidence({**files, ".env": carried_projects.ENV})
    [found] = [f for f in compose.detect(given) if f.rule == "compose-override"]
    return found


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("{volumes: [{type: volume, source: other, target: /ledger}]}", "volumes of ledger"),
        ("{volumes: [{type: bind, source: ./x.toml, target: /etc/ledger.toml}]}", "volumes"),
        ("{volumes: [other:/ledger/]}", "volumes of ledger"),
        ("{volumes: [/ledger]}", "volumes of ledger"),
        ("{volumes: [ledger_data:/ledger:ro]}", "volumes of ledger"),
        ("{labels: {a: 2}}", "labels.a of ledger"),
        ("{healthcheck: {interval: 9s}}", "healthcheck.interval of ledger"),
        ("{healthcheck: {test: [CMD, b]}}", "healthcheck.test of ledger"),
        ("{logging: {driver: syslog}}", "logging.driver of ledger"),
        ("{environment: [LEDGER_MODE=lax]}", "LEDGER_MODE of ledger"),
        ("{stop_grace_period: 3m}", "stop_grace_period of ledger"),
        ("{ports: !override ['81:80']}", "ports of ledger"),
        ("{labels: !reset null}", "labels of ledger"),
        ("{healthcheck: {interval: !reset null}}", "healthcheck.interval of ledger"),
    ],
)
def test_what_covers_is_named(service: str, said: str) -> None:
    found = override(service)
    assert found.status == "manual"
    assert said in found.message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("name: other\n", "`name` of the project"),
        ("volumes:\n  postgres_data: {name: pg}\n", "`postgres_data` in `volumes`"),
        ("volumes:\n  postgres_data: {external: true}\n", "`postgres_data` in `volumes`"),
        ("networks:\n  shop_network: {internal: true}\n", "`shop_network` in `networks`"),
    ],
)
def test_other_volumes_and_networks_are_named(more: str, said: str) -> None:
    found = override("{tty: true}", more)
    assert found.status == "manual"
    assert said in found.message


@pytest.mark.parametrize(
    "service",
    [
        "{}",
        "{volumes: [{type: volume, source: ledger_data, target: /ledger}]}",
        "{volumes: [{source: ./ledger.toml, target: /etc/ledger.toml, read_only: true}]}",
        "{volumes: [{type: tmpfs, target: /cache}, ./own:/own]}",
        "{ports: ['81:80']}",
        "{ports: [{target: 80, published: 82}]}",
        "{labels: {b: 2}}",
        "{healthcheck: {timeout: 9s}}",
        "{healthcheck: {interval: 5s}}",
        "{environment: {NEW: one, LEDGER_MODE: strict}}",
        "{networks: [other]}",
        "{env_file: own.env}",
        "{cap_add: [NET_ADMIN]}",
        "{labels: null}",
        "{image: 'ledger:3'}",
        "{x-own: !override 1}",
    ],
)
def test_what_only_adds_is_kept(service: str) -> None:
    assert override(service).status == "keep"


@pytest.mark.parametrize(
    "more",
    [
        "volumes:\n  postgres_data:\n  other: {name: own}\n",
        "volumes:\n  postgres_data: {driver: local}\n",
        "volumes: [postgres_data]\nnetworks: no\n",
        "networks:\n  shop_network: {driver: bridge}\n  more: {}\n",
    ],
)
def test_volumes_that_stay_the_same_are_kept(more: str) -> None:
    assert override("{tty: true}", more).status == "keep"
