"""Reads what a model's server sends: a stream of events, or one JSON document instead.

Read by hand and not by the openai package, which takes a stream that breaks off for one that ends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nself_tasks.drafting.answer import LARGEST
from nself_tasks.drafting.failures import ModelFailed

_MOST_BYTES = 20 * LARGEST
"""A stream says some 150 bytes for each word."""
_LONGEST_REFUSAL = 300


@dataclass(slots=True)
class Reply:
    """What a model has said; tokens as its server counts them, or None."""

    text: str = ""
    finish: str | None = None
    """`stop`, `length`, `content_filter`, `tool_calls` …; None where the end never came."""
    refusal: str = ""
    sent: int | None = None
    received: int | None = None
    parts: list[str] = field(default_factory=list, repr=False)

    def take(self, document: dict[str, Any], inner: str) -> None:
        """Add one event, whose choice has a `delta`, or a whole document with its `message`."""
        if isinstance(usage := document.get("usage"), dict):
            self.sent = _count(usage.get("prompt_tokens"), self.sent)
            self.received = _count(usage.get("completion_tokens"), self.received)
        choices = document.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return
        self.finish = choices[0].get("finish_reason") or self.finish
        said = choices[0].get(inner)
        if isinstance(said, dict):
            if isinstance(said.get("content"), str):
                self.parts.append(said["content"])
            if isinstance(said.get("refusal"), str):
                self.refusal += said["refusal"]
            if said.get("tool_calls") or said.get("function_call"):
                self.finish = "tool_calls"


def from_events(lines: Iterable[str], progress: Callable[[int], None]) -> Reply:
    """Give the reply of a stream; raises ModelFailed where it breaks off or is far too long."""
    reply, size, done = Reply(), 0, False
    for data in _data(lines):
        if data == "[DONE]":
            done = True
            break
        document = _document(data)
        if error := document.get("error"):
            raise _failed_within(error)
        reply.take(document, "delta")
        size += len(data)
        progress(size)
        if size > _MOST_BYTES:
            raise _endless(f"{size:,} characters")
    reply.text = "".join(reply.parts)
    if not done and reply.finish is None:
        raise ModelFailed(
            f"the answer was cut off after {len(reply.text):,} characters",
            hint="run the same command again",
            passing=True,
        )
    return reply


def from_text(chunks: Iterable[bytes], kind: str, progress: Callable[[int], None]) -> Reply:
    """Give the reply of a server that does not stream; raises ModelFailed for any other page."""
    raw = b""
    for chunk in chunks:
        raw += chunk
        progress(len(raw))
        if len(raw) > _MOST_BYTES:
            raise _endless(f"{len(raw):,} bytes")
    text = raw.decode(errors="replace")
    if "html" in kind or text.lstrip()[:1] == "<":
        raise ModelFailed(
            "the endpoint answers with a web page, not with the OpenAI protocol",
            hint="look at its address: it usually ends in /v1",
        )
    document = _document(text)
    if error := document.get("error"):
        raise _failed_within(error)
    reply = Reply()
    reply.take(document, "message")
    reply.text = "".join(reply.parts)
    if reply.finish is None and not reply.parts:
        raise ModelFailed("the endpoint's answer has no choices", hint="look at that server")
    return reply


def require_said(reply: Reply) -> None:
    """Raise ModelFailed for a refusal, and for a model that wants tools."""
    if reply.refusal or reply.finish == "content_filter":
        why = " ".join(reply.refusal.split())[:_LONGEST_REFUSAL] or "its filter stopped the answer"
        raise ModelFailed(
            f"the model refuses: {why}", hint="say it in other words, or choose another `--model`"
        )
    if reply.finish in ("tool_calls", "function_call"):
        raise ModelFailed(
            "the model asks for tools, and gets none: no file is read and nothing is run for it",
            hint="describe the change itself",
        )


def bounded(chunks: Iterable[bytes], seconds: float) -> Iterator[bytes]:
    """Pass on what comes over the wire; raise ModelFailed where it goes on, if only with signs of
    life: a page of an error that never ends, a line without its end."""
    deadline, size = time.monotonic() + seconds, 0
    for chunk in chunks:
        size += len(chunk)
        if time.monotonic() > deadline:
            raise _endless(f"{seconds:g} s")
        if size > _MOST_BYTES:
            raise _endless(f"{size:,} bytes")
        yield chunk


def _endless(what: str) -> ModelFailed:
    return ModelFailed(
        f"the answer did not end within {what}", hint="ask a model that keeps to the point"
    )


def _data(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("data:"):
            yield line[5:].strip()


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelFailed(
            "the endpoint's answer is not in the OpenAI protocol", hint="look at its address"
        )
    return found


def _failed_within(error: Any) -> ModelFailed:
    told = error.get("message") if isinstance(error, dict) else error
    said = " ".join(str(told or "without a word").split())[:_LONGEST_REFUSAL]
    return ModelFailed(f"the endpoint failed: {said}", hint="look at that server")


def _count(value: Any, before: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else before
