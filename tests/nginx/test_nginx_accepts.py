"""The real nginx accepts what the upgrade writes, and finds a service that has moved."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nginx_projects as projects
import pytest
from nginx_for_tests import NGINX, Tree, free_port
from trees_for_tests import changed_names, evidence, kind, read, upgrade

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
@pytest.mark.parametrize("change", [lambda p: p, changed_names], ids=["as it is", "renamed"])
@pytest.mark.parametrize("folder", v1_folders(), ids=lambda f: str(f.relative_to(CORPUS)))
def test_an_upgraded_real_tree_is_accepted(folder: Path, change, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    project = upgrade(change(read(folder, KINDS)), KINDS)
    tree = Tree(tmp_path / "nginx")
    tree.write(project)
    assert tree.check() == ""


# --- a service that moves ---


class Names:
    """A name server on the loopback, as Docker's is in a container."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.shown = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                query, peer = self.socket.recvfrom(512)
            except OSError:
                return
            self.socket.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += query[at] + 1
        address = self.addresses.get(".".join(labels))
        is_a = query[end - 4 : end - 2] == b"\0\1"
        count = 1 if address and is_a else 0
        flags = b"\x81\x80" if address else b"\x81\x83"
        head = query[:2] + flags + b"\0\1" + bytes([0, count]) + b"\0\0\0\0"
        answer = b"\xc0\x0c\0\1\0\1" + (1).to_bytes(4, "big") + b"\0\4"
        return head + query[12:end] + (answer + socket.inet_aton(address or "0.0.0.0")) * count


@contextmanager
def server_at(address: str, port: int) -> Iterator[None]:
    """A test server that answers with its own address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{address} {self.path}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((address, port), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield
        served.shutdown()


@contextmanager
def running(tree: Tree) -> Iterator[None]:
    process = subprocess.Popen(tree.command("-g", "daemon off;"), stderr=subprocess.PIPE)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", tree.ports[443])) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


def asked(tree: Tree, host: str, path: str) -> str:
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    url = f"https://127.0.0.1:{tree.ports[443]}{path}"
    request = urllib.request.Request(url, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, context=trusting, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code)


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
