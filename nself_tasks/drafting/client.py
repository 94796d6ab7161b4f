"""Asks a model over the OpenAI protocol: the only HTTP of drafting, and the only openai import.

What comes back is one `Reply`, or one `ModelFailed` that says in words what the server did.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nself_tasks.drafting.endpoint import Endpoint
from nself_tasks.drafting.failures import ModelFailed, failure, in_words, waits
from nself_tasks.drafting.prompt import ANSWER_SCHEMA, Message
from nself_tasks.drafting.replies import Reply, bounded, from_events, from_text

if TYPE_CHECKING:
    import openai

SILENCE_SECONDS = 120.0
"""How long a server may say nothing: a local model that is loaded first needs about that."""
CONNECT_SECONDS = 10.0
ATTEMPTS = 3
_LONGEST_IN_SILENCES = 5
"""How long a whole answer may take: as often the time of silence that is allowed."""

Progress = Callable[[int], None]
"""Takes how many characters have come so far."""
Notice = Callable[[str, str], None]


@dataclass(slots=True)
class Client:
    """One model behind one endpoint; remembers what the server does not understand."""

    endpoint: Endpoint
    model: str
    notice: Notice
    progress: Progress = lambda characters: None
    silence: float = SILENCE_SECONDS
    structured: bool = True
    """Whether the server takes a JSON schema for its answer; tried once."""
    usage: bool = True
    """Whether the server takes `stream_options`; tried once."""

    def prepare(self) -> None:
        """Begin to import what takes a second, while others read the schema."""
        _forget_what_belongs_elsewhere(self.endpoint)
        threading.Thread(target=import_module, args=("openai.resources.chat",), daemon=True).start()

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Give the model's reply; a busy server is asked three times. Raises ModelFailed."""
        _forget_what_belongs_elsewhere(self.endpoint)
        import openai

        attempt = 0
        while True:
            attempt += 1
            try:
                return self._asked(messages)
            except openai.APIStatusError as error:
                if self._plainer(error):
                    attempt -= 1
                    continue
                self._wait(failure(error, self.endpoint), waits(error, attempt), attempt)
            except openai.APIError as error:
                self._wait(failure(error, self.endpoint), waits(error, attempt), attempt)
            except ModelFailed as error:
                self._wait(error, 0.5 if error.passing else None, attempt)

    def _asked(self, messages: Sequence[Message]) -> Reply:
        import httpx2

        sent = body(self.model, messages, structured=self.structured, usage=self.usage)
        with _opened(self.endpoint, self.silence) as client:
            try:
                with client.chat.completions.with_streaming_response.create(**sent) as response:
                    kind = response.headers.get("content-type", "").lower()
                    if "event-stream" in kind:
                        return from_events(response.iter_lines(), self.progress)
                    return from_text(response.iter_bytes(), kind, self.progress)
            except httpx2.TimeoutException as error:
                raise in_words("silent", self.endpoint, seconds=self.silence) from error
            except httpx2.HTTPError as error:
                raise in_words("cut", self.endpoint) from error

    def _plainer(self, error: openai.APIStatusError) -> bool:
        """Leave out what the server says it does not know; whether there was anything to leave."""
        if error.status_code not in (400, 404, 415, 422, 501):
            return False
        said = json.dumps(error.body, default=str).lower() if error.body else str(error).lower()
        if self.structured and any(w in said for w in ("response_format", "json_schema", "schema")):
            self.structured = False
            return True
        if self.usage and "stream_options" in said:
            self.usage = False
            return True
        return False

    def _wait(self, failed: ModelFailed, seconds: float | None, attempt: int) -> None:
        """Wait before the next attempt, or raise where there is none."""
        if seconds is None or attempt >= ATTEMPTS:
            raise failed
        self.notice("note", f"{failed.message}: asking again in {seconds:g} s")
        time.sleep(seconds)


def body(
    model: str | None, messages: Sequence[Message], *, structured: bool = True, usage: bool = True
) -> dict[str, Any]:
    """Give what is sent, as the protocol names it."""
    found: dict[str, Any] = {"model": model, "messages": list(messages), "stream": True}
    if usage:
        found["stream_options"] = {"include_usage": True}
    if structured:
        schema = {"name": "migration", "strict": True, "schema": ANSWER_SCHEMA}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    return found


def _forget_what_belongs_elsewhere(endpoint: Endpoint) -> None:
    """Drop what the openai package would read from the environment and send to any endpoint."""
    # OPENAI_ORG_ID, OPENAI_CUSTOM_HEADERS … are OpenAI's; OPENAI_LOG prints requests.
    of_openai = endpoint.source.startswith("OPENAI_")
    for name in [n for n in os.environ if n.startswith("OPENAI_")]:
        if not of_openai or name == "OPENAI_LOG":
            del os.environ[name]


def _opened(endpoint: Endpoint, silence: float) -> openai.OpenAI:
    import httpx2
    import openai

    class Bounded(httpx2.SyncByteStream):
        """A body that ends in time: the package reads the page of an error by itself."""

        def __init__(self, body: httpx2.SyncByteStream) -> None:
            self.body = body

        def __iter__(self) -> Iterator[bytes]:
            return bounded(self.body, silence * _LONGEST_IN_SILENCES)

        def close(self) -> None:
            self.body.close()

    def bound(response: httpx2.Response) -> None:
        response.stream = Bounded(response.stream)  # type: ignore[arg-type]

    return openai.OpenAI(
        # The package wants some key; servers of one's own take any.
        api_key=endpoint.key or "none",
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(silence, connect=CONNECT_SECONDS),
        http_client=openai.DefaultHttpxClient(
            # A proxy would be asked even for this machine; a redirect leads to who knows where.
            trust_env=not endpoint.local,
            follow_redirects=False,
            event_hooks={"response": [bound]},
        ),
    )
