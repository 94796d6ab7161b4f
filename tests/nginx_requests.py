"""A running nginx, what it passes requests to, and the name server that it asks for the way."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from nginx_for_tests import Tree


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
