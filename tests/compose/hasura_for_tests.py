"""An HTTP server that plays Hasura's metadata API, well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SOUND = {"message": "success", "is_consistent": True, "inconsistent_objects": []}


@dataclass
class Hasura:
    """What it answers, and what it was asked."""

    port: int
    secret: str
    answers: dict[str, Any] = field(default_factory=lambda: {"reload_metadata": SOUND})
    """The JSON for each kind of question."""
    status: int = 200
    raw: bytes | None = None
    """A body instead of JSON."""
    redirect: str | None = None
    silent: threading.Event | None = None
    """Set to keep every answer back until it is over."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """The kinds of the questions so far."""
        return [question["type"] for question in self.asked]


def _handler(hasura: Hasura) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hasura.asked.append(json.loads(body))
            hasura.headers.append(dict(self.headers))
            if hasura.silent is not None:
                hasura.silent.wait(60)
                return
            status, said = hasura.status, hasura.raw
            if self.headers.get("X-Hasura-Admin-Secret") != hasura.secret:
                status = 401
                said = b'{"code":"access-denied","error":"invalid x-hasura-admin-secret"}'
            if said is None:
                known = hasura.answers.get(hasura.kinds[-1], {"error": "no such question"})
                said = json.dumps(known).encode()
            self.send_response(307 if hasura.redirect else status)
            if hasura.redirect:
                self.send_header("Location", hasura.redirect)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def playing(secret: str) -> Iterator[Hasura]:
    """A Hasura on a port of its own, gone at the end."""
    hasura = Hasura(0, secret)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hasura))
    server.daemon_threads = True
    hasura.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hasura
    finally:
        if hasura.silent is not None:
            hasura.silent.set()
        server.shutdown()
        server.server_close()
        thread.join()
