"""Asks the site itself: a request to every host that nginx has, on the ports of this machine.

Nothing is looked up: the request goes to the published port, and its `Host` says which site.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from nself_tasks.maintenance.layout import Layout
from nself_tasks.maintenance.snippet import MARK

SECONDS = 3.0
"""How long one host may take to answer."""
SETTLED = 0.3
"""Seconds; `ngx_master_process_cycle` waits 0.1 before it tells the old workers to go."""
MOST_HOSTS = 64
NOBODY = "nself-maintenance.invalid"
"""A host that no server has: the one that answers for all others is asked by it."""
_PLAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")

State = Literal["maintenance", "serving", "mixed", "no-answer", "unpublished"]


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the site and where it is asked for."""

    name: str
    address: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """The host as a person would ask for it."""
        return f"{'https' if self.tls else 'http'}://{self.name}:{self.port}/"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host said: a status and the edition of our 503, or why there is none."""

    host: Host
    status: int | None
    edition: str | None = None
    why: str | None = None

    @property
    def is_maintenance(self) -> bool:
        """Whether it is our 503."""
        return self.edition is not None


def hosts_of(layout: Layout) -> tuple[Host, ...]:
    """Give a host for every server block of which a port is published, TLS first."""
    found: dict[Host, None] = {}
    for server in layout.servers:
        names = [
            value
            for placed in server.inside
            if placed.directive.name == "server_name"
            for value in placed.directive.values()
        ]
        listens = [p.directive.values() for p in server.inside if p.directive.name == "listen"]
        for host in list(_published(layout, _asked(names), listens or [("80",)]))[:1]:
            found[host] = None
    return tuple(found)[:MOST_HOSTS]


def _asked(names: Iterable[str]) -> str:
    """Give a name by which a server can be asked for."""
    for name in names:
        if _PLAIN.fullmatch(name):
            return name
        if name.startswith(("*.", ".")) and _PLAIN.fullmatch(name.lstrip("*.")):
            return f"nself-maintenance.{name.lstrip('*.')}"
    return NOBODY


def _published(layout: Layout, name: str, listens: list[tuple[str, ...]]) -> Iterator[Host]:
    for values in sorted(listens, key=lambda v: "ssl" not in v):
        port = values[0].rpartition(":")[2] if values else "80"
        inner = int(port) if port.isascii() and port.isdecimal() else 80
        if "quic" not in values and (place := layout.service.published(inner)):
            yield Host(name, *place, "ssl" in values)


def ask(hosts: Iterable[Host], seconds: float = SECONDS) -> tuple[Answer, ...]:
    """Ask every host at once."""
    listed = list(hosts)
    if not listed:
        return ()
    with ThreadPoolExecutor(min(16, len(listed))) as pool:
        return tuple(pool.map(lambda host: _ask(host, seconds), listed))


def _ask(host: Host, seconds: float) -> Answer:
    try:
        connected = socket.create_connection((host.address, host.port), timeout=seconds)
        with connected:
            stream = _secured(connected, host.name) if host.tls else connected
            connection = http.client.HTTPConnection(host.name, timeout=seconds)
            connection.sock = stream
            agent = {"User-Agent": "nself maintenance status", "Connection": "close"}
            connection.request("HEAD", "/", headers=agent)
            answer = connection.getresponse()
            edition = answer.getheader(MARK) if answer.status == 503 else None
            return Answer(host, answer.status, edition)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Answer(host, None, why=why)


def _secured(connected: socket.socket, name: str) -> socket.socket:
    """Speak TLS; whose certificate it is matters to a visitor, not to this question."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connected, server_hostname=name)


def state_of(answers: Iterable[Answer]) -> State:
    """Give what the answers say together."""
    listed = list(answers)
    if not listed:
        return "unpublished"
    said = [answer for answer in listed if answer.status is not None]
    if not said:
        return "no-answer"
    ours = sum(answer.is_maintenance for answer in said)
    if ours == len(said):
        return "maintenance"
    return "mixed" if ours else "serving"


def wait_for(
    edition: str | None, question: Callable[[], tuple[Answer, ...]], seconds: float = 5.0
) -> tuple[Answer, ...]:
    """Ask until every host has the edition, None for no maintenance, or the time is over.

    nginx replaces its workers after it has said yes, and for a tenth of a second the old ones
    accept beside the new: the site has to answer so for `SETTLED` seconds.
    """
    deadline, since = time.monotonic() + seconds, None
    while True:
        answers, now = question(), time.monotonic()
        if state_of(answers) in ("no-answer", "unpublished") or now > deadline:
            return answers
        if any(answer.edition != edition for answer in answers if answer.status is not None):
            since = None
        elif now - (since := since or now) >= SETTLED:
            return answers
        time.sleep(0.1)
