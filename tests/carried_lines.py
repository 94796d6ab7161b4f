"""One more line in a service of the v1 file, of the v2 one or of both, and what is said of it."""

from __future__ import annotations

import re

import carried_projects
from carried_projects import ENV_V2, V1, V2
from trees_for_tests import evidence

from nself_tasks.artifacts.carried_over import lost

OWN, GENERATED = "ledger", "auth"
FIELDS = {
    "ports": 'ports: ["7777:7777"]',
    "command": "command: [serve, --all]",
    "entrypoint": "entrypoint: /start.sh",
    "user": 'user: "1000"',
    "cap_add": "cap_add: [NET_ADMIN]",
    "cap_drop": "cap_drop: [ALL]",
    "privileged": "privileged: true",
    "healthcheck": 'healthcheck: {test: ["CMD", "true"], interval: 1m}',
    "deploy": "deploy: {replicas: 3}",
    "profiles": "profiles: [reports]",
    "restart": "restart: unless-stopped",
    "labels": "labels: [traefik.enable=true]",
    "extra_hosts": 'extra_hosts: ["a:1.2.3.4"]',
    "shm_size": "shm_size: 256mb",
    "depends_on": "depends_on: [postgres]",
    "env_file": "env_file: own.env",
    "devices": 'devices: ["/dev/dri:/dev/dri"]',
    "hostname": "hostname: books",
    "working_dir": "working_dir: /srv",
    "stop_grace_period": "stop_grace_period: 2m",
    "ulimits": "ulimits: {nofile: 65536}",
    "network_mode": "network_mode: host",
    "pid": "pid: host",
    "build": "build: ./own",
    "tmpfs": "tmpfs: [/tmp]",
    "read_only": "read_only: true",
    "sysctls": "sysctls: {net.core.somaxconn: 1024}",
    "container_name": "container_name: books",
    "init": "init: true",
    "platform": "platform: linux/amd64",
}


def with_line(text: str, service: str, line: str) -> str:
    """The file with one more line in a service, in the place of one that it has already."""
    indent = "    " if "\n  postgres:\n" in text else "        "
    head = f"{indent[: len(indent) // 2]}{service}:\n"
    before, _, rest = text.partition(f"\n{head}")
    body, nets, after = rest.partition(f"{indent}networks:")
    key = line.partition(":")[0]
    body = re.sub(rf"^{indent}{key}:.*\n(?:{indent}[ -].*\n)*", "", body, flags=re.MULTILINE)
    return f"{before}\n{head}{indent}{line}\n{body}{nets}{after}"


def objection(
    old: str | None, new: str | None, service: str = OWN, *, env: str = "dev"
) -> str | None:
    """What is said where v1 has one line in a service and v2 the other."""
    given = {"docker-compose.yml": with_line(V1, service, old) if old else V1}
    files = {".env": carried_projects.ENV + f"ENV={env}\n"}
    after = {"docker-compose.yml": with_line(V2, service, new) if new else V2}
    return lost(evidence(given | files), evidence(after | {".env": f"{ENV_V2}ENV={env}\n"}))
