"""One POST to Hasura's metadata API, with a deadline: the only HTTP besides drafting."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

ANSWER_SECONDS = 10.0
"""Reloading reads the catalog, which takes a second or two with hundreds of tables."""
LARGEST_ANSWER = 20_000_000


class HasuraFailed(Exception):
    """Hasura did not do what it was asked; the text says why, the hint what to do."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.hint = hint


class NobodyThere(HasuraFailed):
    """No Hasura listens on that port."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where Hasura is published on this machine."""

    port: int
    secret: str | None = field(repr=False)

    @property
    def url(self) -> str:
        """The address, as people see it."""
        return f"http://127.0.0.1:{self.port}"


def post(at: Endpoint, question: dict[str, Any]) -> tuple[int, bytes]:
    """Give status and body of the answer. Raises NobodyThere and HasuraFailed.

    A plain connection: no proxy of the environment and no redirect gets to see the admin secret.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=ANSWER_SECONDS)
    again = (
        "look at its log (`docker compose logs hasura`), then reload the metadata in its console"
    )
    try:
        headers = {"Content-Type": "application/json"}
        if at.secret is not None:
            headers["X-Hasura-Admin-Secret"] = at.secret
        connection.connect()
        with _cut_off_after(ANSWER_SECONDS, connection.sock):
            connection.request("POST", "/v1/metadata", json.dumps(question), headers)
            answer = connection.getresponse()
            return answer.status, _body(answer, deadline)
    except ConnectionRefusedError:
        raise NobodyThere(
            f"no Hasura answers at {at.url}", "reload its metadata once it runs"
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = isinstance(error, TimeoutError) or time.monotonic() >= deadline
        how = f"did not answer within {ANSWER_SECONDS:g} s"
        how = how if late else f"broke off: {type(error).__name__}"
        raise HasuraFailed(f"the Hasura at {at.url} {how}", again) from None
    finally:
        connection.close()


@contextmanager
def _cut_off_after(seconds: float, stream: socket.socket) -> Iterator[None]:
    """End a conversation in which every single byte comes in time, and the whole never."""

    def cut() -> None:
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _body(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    """Read the body; TimeoutError where it is still coming when the time is over."""
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(65536):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise ValueError("too large an answer")
        if time.monotonic() >= deadline:
            break
    # What was cut off looks like an answer that has ended.
    if time.monotonic() >= deadline:
        raise TimeoutError
    return b"".join(parts)
