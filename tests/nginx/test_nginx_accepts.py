"""The real nginx accepts what the upgrade writes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nginx_projects as projects
import pytest
import renamed
from nginx_for_tests import NGINX, Tree
from trees_for_tests import evidence, kind, read, upgrade

from nself_tasks.artifacts.finding import Evidence

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.skipif(
        NGINX is None, reason="nginx is not installed (apt-get install nginx-light)"
    ),
]
CORPUS = Path(os.environ.get("NSELF_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
KINDS = [kind("compose"), kind("nginx"), kind("leftovers")]
BY_HAND = {"nginx/conf.d/claw.conf": projects.BY_HAND}
POOLED = "server { listen 80; server_name own.test; location / { proxy_pass http://hasura; } }\n"


def late_with(path: str, text: str) -> Evidence:
    return evidence(projects.late({path: text}))


OWN = {
    "0.9.9": evidence(projects.late()),
    "0.1": evidence(projects.early(), "nginx/ssl/nself.org.crt", "nginx/ssl/nself.org.key"),
    "by hand beside it": evidence(projects.late(BY_HAND)),
    "0.1, by hand beside it": evidence({**projects.early(), **BY_HAND}),
    "zones in the main file": evidence(
        {
            path: text.replace(projects.INCLUDED, projects.INLINE)
            for path, text in projects.late(
                {"nginx/sites/hasura.conf": projects.site("hasura", "hasura:8080")}
            ).items()
            if path != "nginx/includes/rate-limits.conf"
        }
    ),
    "a zone of one's own": late_with(
        "nginx/conf.d/zones.conf",
        "limit_req_zone $uri zone=ai:1m rate=1r/s;\nlimit_conn_status 503;\n",
    ),
    "a resolver of one's own": late_with("nginx/conf.d/dns.conf", "resolver 9.9.9.9;\n"),
    "a map of one's own": late_with(
        "nginx/conf.d/map.conf", "map $http_upgrade $connection_upgrade { default upgrade; }\n"
    ),
    "certificates of one's own": late_with(
        "nginx/sites/mine.conf", projects.site("grafana", "127.0.0.1:3000", host="mine.test")
    ),
    "a frontend without a route": late_with(
        "nginx/sites/frontend-web.conf",
        projects.site("frontend-web", "host.docker.internal:3000", host="/.localhost"),
    ),
    "CRLF": evidence({p: t.replace("\n", "\r\n") for p, t in projects.late().items()}),
}


@pytest.mark.parametrize("name", OWN)
def test_an_upgraded_tree_is_accepted(name: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "nginx")
    tree.write(upgrade(OWN[name], KINDS))
    assert tree.check() == ""


def test_the_check_bites(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "nginx")
    tree.write(evidence(projects.late()))
    assert "host not found in upstream" in tree.check()


def v1_folders() -> list[Path]:
    found = [path.parent for path in CORPUS.rglob("docker-compose.yml")]
    return sorted(folder for folder in found if (folder / "nginx" / "nginx.conf").is_file())


@pytest.mark.corpus
@pytest.mark.parametrize("way", ["as it is", "renamed"])
@pytest.mark.parametrize("folder", v1_folders(), ids=lambda f: str(f.relative_to(CORPUS)))
def test_an_upgraded_real_tree_is_accepted(folder: Path, way: str, tmp_path: Path) -> None:
    root = Path(shutil.copytree(folder, tmp_path / "project", symlinks=True))
    if way == "renamed":
        renamed.rename(root)
    project = upgrade(read(root, KINDS), KINDS)
    tree = Tree(tmp_path / "nginx")
    tree.write(project)
    assert tree.check() == ""
