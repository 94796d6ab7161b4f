"""Behind an upgraded site a service answers as before, and from another address too."""

from __future__ import annotations

import time
from pathlib import Path

import nginx_projects as projects
import pytest
from nginx_for_tests import NGINX, Tree, free_port
from nginx_requests import Names, asked, running, server_at
from trees_for_tests import evidence, kind, upgrade

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.skipif(
        NGINX is None, reason="nginx is not installed (apt-get install nginx-light)"
    ),
]
KINDS = [kind("compose"), kind("nginx"), kind("leftovers")]


@pytest.mark.slow
@pytest.mark.parametrize("era", ["0.1", "0.9"])
def test_a_service_answers_and_still_does_after_its_address_changed(
    era: str, tmp_path: Path
) -> None:
    port = free_port()
    if era == "0.9":
        host, name = "custom-shop.localhost", "shop"
        extra = {"nginx/sites/custom-shop.conf": projects.site("custom-shop", f"shop:{port}")}
        before = evidence(projects.late(extra))
    else:
        host, name = "hasura.local.nself.org", "hasura"
        site = {"nginx/conf.d/hasura.conf": projects.early_site("hasura", f"hasura:{port}")}
        before = evidence({**projects.early(), **site})
    names, tree = Names(), Tree(tmp_path / "nginx")
    names.addresses[name] = "127.0.0.2"
    tree.write(upgrade(before, KINDS), names.shown)
    assert tree.check() == ""
    with running(tree):
        with server_at("127.0.0.2", port):
            assert asked(tree, host, "/a%20b?c=d") == "127.0.0.2 /a%20b?c=d"
        names.addresses[name] = "127.0.0.3"
        with server_at("127.0.0.3", port):
            until = time.monotonic() + 20
            while (answer := asked(tree, host, "/")) == "502" and time.monotonic() < until:
                time.sleep(0.5)
            assert answer == "127.0.0.3 /"
    names.socket.close()


@pytest.mark.slow
def test_a_path_with_a_variable_reaches_the_service_as_before(tmp_path: Path) -> None:
    port = free_port()
    ways = {
        "regex": ("~ ^/x/(.*)$", f"proxy_pass http://shop:{port}/y/$1;"),
        "query": ("~ ^/x/(.*)$", f"proxy_pass http://shop:{port}/y/$1$is_args$args;"),
        "rewrite": ("/", f"rewrite ^/x/(.*) /z/$1 break; proxy_pass http://shop:{port}/y$uri;"),
    }
    names = Names()
    names.addresses["shop"] = "127.0.0.2"
    given: dict[str, list[str]] = {"v1": [], "v2": []}
    for way, (location, line) in ways.items():
        site = projects.site("custom-shop", "x").replace("location /", f"location {location}")
        texts = projects.late(
            {
                "nginx/sites/custom-shop.conf": site.replace("proxy_pass http://x;", line),
                "nginx/sites/hasura.conf": projects.site("hasura", "127.0.0.1:1"),
            }
        )
        # v1 had no resolver; this one finds what the network of its containers did.
        texts["nginx/conf.d/default.conf"] += "resolver 127.0.0.11 valid=10s;\n"
        before = evidence(texts)
        after = upgrade(evidence(texts), KINDS)
        assert "set $up_up_shop " in (after.text("nginx/sites/custom-shop.conf") or "")
        for era, project in (("v1", before), ("v2", after)):
            tree = Tree(tmp_path / way / era)
            tree.root.parent.mkdir(exist_ok=True)
            tree.write(project, names.shown)
            assert tree.check() == ""
            with running(tree), server_at("127.0.0.2", port):
                asks = ("/x/a", "/x/%61b/c?d=e", "/x/")
                given[era] += [asked(tree, "custom-shop.localhost", ask) for ask in asks]
    names.socket.close()
    assert given["v1"] == given["v2"]
    assert all(answer.startswith("127.0.0.2 /y") for answer in given["v1"]), given
