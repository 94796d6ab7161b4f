"""A compose stack of which nginx is real: `docker` is a program that calls the local one.

What the container would mount is copied from the project at every call, as a mount shows it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nginx_projects
import v1_projects
from nginx_for_tests import Tree, free_port
from servers_for_tests import within
from trees_for_tests import evidence, kind, read, upgrade

KINDS = ("compose", "nginx", "leftovers")
DOCKER = """\
#!{python}
import os, sys
sys.path[:0] = {path}
from nginx_stack import called
sys.exit(called({settings!r}, sys.argv[1:]))
"""
WEBROOT = "/etc/nginx/ssl/.acme-webroot"
CHALLENGE = f"""\
    location ^~ /.well-known/acme-challenge/ {{
        root {WEBROOT};
        try_files $uri =404;
    }}
"""
HEALTH = "    location /health {"


def called(settings: str, arguments: list[str]) -> int:
    """Be `docker compose --project-name NAME`, with `ps` or `exec`, for one stack's nginx."""
    given = json.loads(settings)
    with Path(given["log"]).open("a") as log:
        log.write(" ".join(arguments) + "\n")
    assert (arguments[:2], Path.cwd()) == (["compose", "--project-name"], Path("/")), arguments
    name = arguments[2]
    del arguments[1:3]
    tree = Tree(Path(given["tree"]), {int(k): v for k, v in given["ports"].items()})
    runs = name == "shop" and (tree.root / "nginx.pid").exists()
    if arguments[1] == "ps":
        assert arguments[2:] == ["--format", "json", "nginx"], arguments
        print(json.dumps([{"Service": "nginx", "State": "running"}] if runs else []))
        return 0
    assert (arguments[:5], runs) == (["compose", "exec", "-T", "nginx", "nginx"], True), arguments
    if (fifo := Path(given["barrier"])).exists():
        fifo.read_bytes()
    mount(Path(given["project"]), tree)
    return subprocess.run(tree.command(*arguments[5:]), check=False).returncode


def mount(project: Path, tree: Tree) -> None:
    """Give nginx the project's files as they are now; every service is at an address."""
    found = read(project, map(kind, KINDS))
    texts = {str(path): text for path, text in found.texts.items()}
    for path, text in texts.items():
        if path.startswith("nginx/"):
            texts[path] = re.sub(
                r"(http://|server )(?:hasura|auth|mailhog|shop):", r"\g<1>127.0.0.1:", text
            )
    tree.write(evidence(texts))


@dataclass(frozen=True)
class Stack:
    """A project and its running nginx."""

    project: Path
    tree: Tree
    bin: Path
    barrier: Path
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """PATH with our `docker` first."""
        return {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}

    @property
    def calls(self) -> list[str]:
        """What `docker` was asked for."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def ask(self, host: str | None, path: str = "/", *, tls: bool = True, **more: str) -> Answer:
        """Ask nginx as a visitor does; without a host as HTTP/1.0 does."""
        method, body = more.pop("method", "GET"), more.pop("body", "")
        head = {"Connection": "close", **({"Host": host} if host else {}), **more}
        if body:
            head["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.{1 if host else 0}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in head.items()]
        raw = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
        port = self.tree.ports[443 if tls else 80]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            stream = plain
            if tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                stream = context.wrap_socket(plain, server_hostname=host)
            stream.sendall(raw)
            received = b""
            while block := stream.recv(65536):
                received += block
            if tls:
                stream.close()
        start, _, answered = received.partition(b"\r\n\r\n")
        first, *headers = start.decode().splitlines()
        pairs = (header.partition(": ") for header in headers)
        return Answer(int(first.split()[1]), {k.lower(): v for k, _, v in pairs}, answered.decode())


@dataclass(frozen=True)
class Answer:
    """What a visitor got."""

    status: int
    headers: Mapping[str, str]
    body: str


def files(layout: str, ports: Mapping[int, int]) -> dict[str, str]:
    """A project of a layout (`v1`, `v2`, `early`), its nginx published on these ports."""
    if layout == "early":
        found = {**nginx_projects.early(), "nginx/conf.d/own.conf": nginx_projects.BY_HAND}
    else:
        found = v1_projects.files()
        default = "nginx/conf.d/default.conf"
        found[default] = (
            found[default]
            .replace(HEALTH, CHALLENGE + HEALTH)
            .replace("    server_name _;\n", "    server_name _;\n" + CHALLENGE)
        )
    if layout == "v2":
        done = upgrade(evidence(found), map(kind, (*KINDS, "env")))
        found = {str(path): text for path, text in done.texts.items()}
    published = "".join(f'      - "{here}:{inner}"\n' for inner, here in ports.items())
    text = found["docker-compose.yml"]
    at = text.index("    volumes:\n", text.index("  nginx:\n"))
    found["docker-compose.yml"] = f"{text[:at]}    ports:\n{published}{text[at:]}"
    return found


@contextmanager
def running(folder: Path, layout: str) -> Iterator[Stack]:
    """A project on disk, its nginx answering, and `docker` in a folder of its own."""
    tree = Tree(folder / "nginx", {80: free_port(), 443: free_port()})
    project = v1_projects.write(folder / "shop", files(layout, tree.ports))
    stack = Stack(project, tree, folder / "bin", folder / "barrier", folder / "docker.log")
    stack.bin.mkdir()
    settings = {
        "project": str(project), "tree": str(tree.root), "ports": dict(tree.ports),
        "barrier": str(stack.barrier), "log": str(stack.log),
    }  # fmt: skip
    path = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    text = DOCKER.format(python=sys.executable, path=path, settings=json.dumps(settings))
    (stack.bin / "docker").write_text(text)
    (stack.bin / "docker").chmod(0o755)
    mount(project, tree)
    token = tree.root / WEBROOT.removeprefix("/etc/nginx/") / ".well-known/acme-challenge/token"
    token.parent.mkdir(parents=True)
    token.write_text("proof")
    assert tree.check() == ""
    process = subprocess.Popen(tree.command("-g", "daemon off;"), stderr=subprocess.DEVNULL)
    try:
        assert within(10, lambda: (tree.root / "nginx.pid").exists() and _listens(tree))
        yield stack
    finally:
        process.terminate()
        process.wait(10)


def _listens(tree: Tree) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", tree.ports[443])) == 0
