"""Connections to a server that only its Compose network reaches: through the server's container.

libpq connects to a Unix socket in a folder of ours that nobody else can enter. Each connection is
given to one `docker compose exec` as its standard input and output; in the container a relay passes
the bytes on to the server's port. Nothing here looks at them: password exchange, queries and
cancellation go through as they are.
"""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from nself_tasks.compose_exec import Stack, docker_environment, docker_program, running
from nself_tasks.database.relays import relay_for
from nself_tasks.database.servers.sockets import PORT, fits, socket_path
from nself_tasks.database_url import DatabaseUrl, parse
from nself_tasks.errors import ConnectionFailed
from nself_tasks.model import Target

LONGEST_END = 5.0
"""Seconds that a relay gets to end by itself when its connection is closed."""


@contextmanager
def through_container(target: Target, root: Path) -> Iterator[str]:
    """Give the URL of a socket that leads to the target through its stack's container.

    Raises ConnectionFailed where the stack does not run, or nothing in the container can relay.
    """
    parts = parse(target.url or "", target.source, default_user="postgres")
    stack = _stack(target.via, root)
    words = relay_for(stack, int(parts.hosts.rpartition(":")[2] or PORT))
    with tempfile.TemporaryDirectory(prefix="nself-", dir=_short()) as name:
        folder = Path(name)
        with _Listener(folder, stack.command(*words)):
            yield _socket_url(parts, folder)


def _stack(names: Sequence[str], root: Path) -> Stack:
    if stack := running(names, root):
        return stack
    if docker_program() is None:
        raise ConnectionFailed(
            "`--via compose` goes through `docker compose exec`, and there is no `docker` on PATH",
            hint="install Docker with its compose plugin, or run this where the stack runs",
            database="unchanged",
        )
    looked = " or ".join(f"`{name}`" for name in names) or "this project's name"
    raise ConnectionFailed(
        f"no Compose stack {looked} that was started from {root} runs its service `postgres`",
        hint="start it (`nself start`, or `docker compose up -d postgres`); where it has another"
        " name, set COMPOSE_PROJECT_NAME",
        database="unchanged",
    )


class _Listener:
    """Accepts connections on a socket and gives each to a relay of its own."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self._command = command
        self._relays: list[subprocess.Popen[bytes]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(socket_path(folder)))
        self._socket.listen()
        self._thread = threading.Thread(target=self._accept, name="compose relay", daemon=True)

    def __enter__(self) -> _Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Shut down and not only closed: the thread waits in accept.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(LONGEST_END)
        for relay in self._relays:
            try:
                relay.wait(LONGEST_END)
            except subprocess.TimeoutExpired:
                relay.kill()
                relay.wait()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                # A session of its own: Ctrl-C is for us, and a migration is ended in good order.
                self._relays.append(
                    subprocess.Popen(
                        self._command,
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=subprocess.DEVNULL,
                        env=docker_environment(),
                        cwd="/",
                        start_new_session=True,
                    )
                )
            self._relays = [relay for relay in self._relays if relay.poll() is None]


_OF_TLS = re.compile(r"(?:ssl\w*|channel_binding|gssencmode|requirepeer|host|hostaddr|port)=")


def _socket_url(parts: DatabaseUrl, folder: Path) -> str:
    """Give the URL with the socket as its host; TLS is neither there nor needed on a socket."""
    kept = [pair for pair in parts.query.split("&") if pair and not _OF_TLS.match(pair)]
    where = f"host={quote(str(folder), safe='')}&port={PORT}"
    query = "&".join([where, *kept])
    login = parts.user if parts.password is None else f"{parts.user}:{parts.password}"
    return f"{parts.scheme}://{login}@/{parts.dbname}?{query}"


def _short() -> str:
    """Give the folder for temporary files, or `/tmp` where a socket's path would be too long."""
    usual = tempfile.gettempdir()
    return usual if fits(Path(usual, "nself-12345678")) else "/tmp"
