"""A proxy between the command and the server that knows the Postgres protocol.

It stops at a message that a test names: a question that the server has not got yet, or an answer
that the command has not got yet. There the test kills, cuts, or lets things go on.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

SSL, GSS = 80877103, 80877104
LONGEST_WAIT = 30.0


class Stop:
    """A moment on the wire: the first message with a text, once one with `since` has passed.

    Or the one with a number, counted over all connections.
    """

    def __init__(self, text: str, *, since: str, answer: bool, number: int = 0) -> None:
        self.text, self.since, self.answer, self.number = text, since, answer, number
        self._reached, self._over = threading.Event(), threading.Event()
        self._link: Link | None = None

    def wait(self) -> None:
        """Return when the message lies here; fail when it never comes."""
        assert self._reached.wait(LONGEST_WAIT), f"`{self.text}` never came by"

    @property
    def is_reached(self) -> bool:
        """Whether the message has come by."""
        return self._reached.is_set()

    @property
    def holds(self) -> bool:
        """Whether the message lies here now."""
        return self._reached.is_set() and not self._over.is_set()

    def go_on(self) -> None:
        """Let the message through."""
        self._over.set()

    def cut(self) -> None:
        """Close the connection on both sides; the message is lost."""
        if self._link is not None:
            self._link.close()
        self._over.set()

    def hold(self, link: Link) -> None:
        """Keep the calling thread, and with it the message, until the test has decided."""
        self._link = link
        self._reached.set()
        self._over.wait()


class Link:
    """One connection of the command, passed on to the server message by message."""

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        stops: list[Stop],
        spoiled: threading.Event,
        heard: list[str],
    ) -> None:
        self._client, self._server, self._stops = client, server, stops
        self._spoiled, self._heard = spoiled, heard
        self._seen: list[str] = []
        self._answer_held: Stop | None = None
        self._threads = [
            threading.Thread(target=self._pump, args=(way,), daemon=True)
            for way in (self._questions, self._answers)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Close both sides at once."""
        for side in (self._client, self._server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Close both sides and free what they hold."""
        self.close()
        for thread in self._threads:
            thread.join(LONGEST_WAIT)
        self._client.close()
        self._server.close()

    def _pump(self, way: object) -> None:
        assert callable(way)
        with contextlib.suppress(OSError, EOFError):
            way()
        self.close()

    def _questions(self) -> None:
        self._server.sendall(self._startup())
        while True:
            head = exactly(self._client, 5)
            body = exactly(self._client, struct.unpack("!I", head[1:])[0] - 4)
            asked = statement(head[:1], body)
            stop = self._stop_at(asked) if asked else None
            if stop and not stop.answer:
                stop.hold(self)
            elif stop:
                self._answer_held = stop
            if asked and self._spoiled.is_set():
                self._spoiled.clear()
                head, body = spoiled(head[:1], body), b""
            self._server.sendall(head + body)

    def _startup(self) -> bytes:
        """The first packet; offers of encryption are declined here, so that we can read along."""
        while True:
            head = exactly(self._client, 8)
            size, code = struct.unpack("!II", head)
            body = exactly(self._client, size - 8)
            if code not in (SSL, GSS):
                return head + body
            self._client.sendall(b"N")

    def _answers(self) -> None:
        while data := self._server.recv(65536):
            stop, self._answer_held = self._answer_held, None
            if stop:
                stop.hold(self)
            self._client.sendall(data)

    def _stop_at(self, asked: str) -> Stop | None:
        found = None
        self._heard.append(asked)
        for stop in list(self._stops):
            passed = not stop.since or any(stop.since in earlier for earlier in self._seen)
            if stop.number:
                passed = stop.number == len(self._heard)
            if passed and stop.text in asked:
                self._stops.remove(stop)
                found = stop
                break
        self._seen.append(asked)
        return found


class Wire:
    """A proxy for one server; `url` is the database's through it."""

    def __init__(self, url: str) -> None:
        known = conninfo_to_dict(url)
        self._host, self._port = str(known["host"]), int(known.get("port") or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self._open = True
        self.port: int = self._listener.getsockname()[1]
        login = quote(str(known["user"]), safe="")
        if known.get("password"):
            login += ":" + quote(str(known["password"]), safe="")
        self.url = f"postgresql://{login}@127.0.0.1:{self.port}/{known['dbname']}"
        self._links: list[Link] = []
        self._stops: list[Stop] = []
        self._made: list[Stop] = []
        self._spoiled = threading.Event()
        self.heard: list[str] = []
        """Every question of every connection, in the order in which they came."""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def before(self, text: str, *, since: str = "") -> Stop:
        """Stop at a question: the server does not get it."""
        return self._add(Stop(text, since=since, answer=False))

    def after(self, text: str, *, since: str = "") -> Stop:
        """Stop at the answer to a question: the server has done it, the command is not told."""
        return self._add(Stop(text, since=since, answer=True))

    def at(self, number: int, *, answer: bool) -> Stop:
        """Stop at the question of this number, or at the answer to it."""
        return self._add(Stop("", since="", answer=answer, number=number))

    def cut(self) -> None:
        """Cut every connection that there is now; new ones are welcome."""
        for link in list(self._links):
            link.close()

    def spoil(self) -> None:
        """The server answers the next question with an error: it gets another one in its place."""
        self._spoiled.set()

    def close(self) -> None:
        """Cut everything and stop listening."""
        self._open = False
        self._thread.join(LONGEST_WAIT)
        self._listener.close()
        for stop in self._made:
            stop.cut()
        for link in self._links:
            link.end()

    def _add(self, stop: Stop) -> Stop:
        self._made.append(stop)
        self._stops.append(stop)
        return stop

    def _listen(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            client.setblocking(True)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                server = self._connect()
            except OSError:
                # The server is down: for the command nobody listens here either.
                client.close()
                continue
            self._links.append(Link(client, server, self._stops, self._spoiled, self.heard))

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        except OSError:
            server.close()
            raise
        return server


def statement(kind: bytes, body: bytes) -> str | None:
    """The SQL of a Query or Parse message."""
    if kind == b"Q":
        return body.rstrip(b"\0").decode()
    if kind == b"P":
        return body.split(b"\0")[1].decode()
    return None


def spoiled(kind: bytes, body: bytes) -> bytes:
    """A Query or Parse message that asks for something which fails, as the server sees it."""
    wrong = b"SELECT 'spoiled by the test'::integer\0"
    if kind == b"P":
        wrong = body.split(b"\0")[0] + b"\0" + wrong + b"\0\0"
    return kind + struct.pack("!I", len(wrong) + 4) + wrong


def exactly(side: socket.socket, size: int) -> bytes:
    """Read so many bytes; EOFError when the other side has closed."""
    data = b""
    while len(data) < size:
        more = side.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


@contextlib.contextmanager
def between(url: str) -> Iterator[Wire]:
    """A proxy before a server, gone at the end."""
    wire = Wire(url)
    try:
        yield wire
    finally:
        wire.close()
