"""A server that speaks the OpenAI protocol as a test tells it to, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Play = Callable[["Exchange"], None]
"""Answers one request."""


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    handler: BaseHTTPRequestHandler
    body: dict[str, Any]

    def page(self, status: int, text: str, kind: str, **headers: str) -> None:
        """Answer with one document."""
        raw = text.encode()
        self.handler.send_response(status)
        own = {"content-type": kind, "content-length": str(len(raw))}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in (own | given).items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        self.handler.wfile.write(raw)

    def failure(self, status: int, message: str, **headers: str) -> None:
        """Answer with an error as the protocol has it."""
        text = json.dumps({"error": {"message": message, "type": "x", "code": None}})
        self.page(status, text, "application/json", **headers)

    def begin(self) -> None:
        """Begin a stream."""
        self.handler.send_response(200)
        self.handler.send_header("content-type", "text/event-stream")
        self.handler.end_headers()

    def event(self, data: Any) -> None:
        """Send one event of a stream."""
        text = data if isinstance(data, str) else json.dumps(data)
        self.handler.wfile.write(f"data: {text}\n\n".encode())
        self.handler.wfile.flush()

    def part(self, content: str | None = None, finish: str | None = None, **delta: Any) -> None:
        """Send a part of the answer."""
        said = delta | ({"content": content} if content is not None else {})
        self.event({"choices": [{"index": 0, "delta": said, "finish_reason": finish}]})

    def end(self, finish: str = "stop") -> None:
        """Send the end of a stream, with the count of tokens."""
        self.part(finish=finish)
        usage = {"prompt_tokens": 1200, "completion_tokens": 80, "total_tokens": 1280}
        self.event({"choices": [], "usage": usage})
        self.event("[DONE]")


@dataclass
class Model:
    """The running server: `plays` answer the requests in turn, the last one all further ones."""

    plays: list[Play] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    """Set when the first request has come."""
    let_go: threading.Event = field(default_factory=threading.Event)
    """What a slow answer waits for."""
    url: str = ""

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        raw = handler.rfile.read(int(handler.headers["content-length"]))
        self.raw.append(raw)
        self.headers.append({k.lower(): v for k, v in handler.headers.items()})
        self.requests.append(json.loads(raw))
        self.asked.set()
        play = self.plays[min(len(self.requests), len(self.plays)) - 1]
        play(Exchange(handler, self.requests[-1]))

    def said_to_it(self, round_: int) -> str:
        """The last message of a request, counted from 1."""
        return str(self.requests[round_ - 1]["messages"][-1]["content"])


@contextmanager
def serving() -> Iterator[Model]:
    """Run a server on a free port of this machine."""
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                model.take(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    model.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield model
    finally:
        model.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answers(up: str, down: str, *, parts: int = 3, **more: Any) -> Play:
    """Stream a draft as the one JSON object that was asked for."""
    text = json.dumps(
        {"name": "add_note", "up": up, "down": down, "notes": "", "loses_data": False} | more
    )
    return says(text, parts=parts)


def says(text: str, *, parts: int = 3, finish: str = "stop") -> Play:
    """Stream any text."""

    def play(exchange: Exchange) -> None:
        exchange.begin()
        size = max(1, -(-len(text) // parts))
        for at in range(0, len(text), size):
            exchange.part(text[at : at + size])
        exchange.end(finish)

    return play


def fails(status: int, message: str = "no", **headers: str) -> Play:
    """Answer with an error of the protocol."""
    return lambda exchange: exchange.failure(status, message, **headers)


def is_slow(first: Play, seconds: float) -> Play:
    """Say nothing for some seconds, then answer."""

    def play(exchange: Exchange) -> None:
        time.sleep(seconds)
        first(exchange)

    return play
