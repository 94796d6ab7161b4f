"""What a model's server did wrong, in words; the key is in none of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nself_tasks.drafting.endpoint import Endpoint
from nself_tasks.errors import NselfError

if TYPE_CHECKING:
    import openai

LONGEST_WAIT = 60.0
"""Seconds: whoever is told to wait longer is better told so than kept waiting."""
_LONGEST_SAID = 300
_NOTHING = "nothing was written; `--no-ai` makes the empty files"


class ModelFailed(NselfError):
    """No usable answer came from the model's server."""

    code = "model"

    def __init__(self, message: str, *, hint: str, passing: bool = False) -> None:
        super().__init__(message, hint=f"{hint}; {_NOTHING}", database="unchanged")
        self.passing = passing
        """Whether the same request may well succeed in a moment."""


def in_words(what: str, endpoint: Endpoint, *, seconds: float = 0.0) -> ModelFailed:
    """Give the failure of a connection: `silent`, `cut` or `unreachable`."""
    where = f"`{endpoint.shown}` ({endpoint.source})"
    if what == "silent":
        return ModelFailed(
            f"{where} said nothing for {seconds:g} s",
            hint="NSELF_AI_TIMEOUT is how many seconds it may be silent",
        )
    if what == "cut":
        return ModelFailed(
            f"the connection to {where} was cut off in the middle of the answer",
            hint="run the same command again",
            passing=True,
        )
    return ModelFailed(
        f"{where} cannot be reached",
        hint="start that server, or name another one with NSELF_AI_BASE_URL",
        passing=True,
    )


def failure(error: openai.APIError, endpoint: Endpoint) -> ModelFailed:
    """Give what an error of the openai package means."""
    import openai

    where = f"`{endpoint.shown}` ({endpoint.source})"
    if isinstance(error, openai.APITimeoutError):
        # A connection and an answer that do not come end alike.
        return ModelFailed(
            f"{where} did not answer in time",
            hint="NSELF_AI_TIMEOUT is how many seconds it may be silent",
        )
    if isinstance(error, openai.APIConnectionError):
        return in_words("unreachable", endpoint)
    if not isinstance(error, openai.APIStatusError):
        return ModelFailed(f"{where} sent no answer: {_said(error)}", hint="look at that server")
    status = error.status_code
    if status in (401, 403):
        return ModelFailed(
            f"{where} refuses the key ({status})",
            hint=f"correct the key that belongs to {endpoint.source}",
        )
    if 300 <= status < 400:
        return ModelFailed(
            f"{where} leads elsewhere ({status}), and redirects are not followed",
            hint="name the address itself",
        )
    if status == 404:
        return ModelFailed(
            f"{where} does not know this model or address (404): {_said(error)}",
            hint="look at `--model` and NSELF_AI_MODEL; the address usually ends in /v1",
        )
    if status == 429:
        return ModelFailed(
            f"{where} is asked too often or has no quota left (429)",
            hint=f"{_asked_for(error)}wait, or look at the account's quota",
        )
    return ModelFailed(
        f"{where} failed ({status}): {_said(error)}",
        hint="run the same command again" if status >= 500 else "look at that server's log",
    )


def waits(error: openai.APIError, attempt: int) -> float | None:
    """Give the seconds before the next attempt; None where there is no point in one."""
    import openai

    backoff = float(0.5 * 2 ** (attempt - 1)) * random.uniform(0.8, 1.2)
    if isinstance(error, openai.APITimeoutError):
        return None
    if isinstance(error, openai.APIConnectionError):
        return round(backoff, 1)
    if not isinstance(error, openai.APIStatusError):
        return None
    if error.status_code == 429 and error.code == "insufficient_quota":
        return None
    if error.status_code not in (408, 409, 429) and error.status_code < 500:
        return None
    asked = retry_after(error)
    if asked is None:
        return round(backoff, 1)
    return asked if asked <= LONGEST_WAIT else None


def retry_after(error: openai.APIStatusError) -> float | None:
    """Give the seconds of `retry-after`; None without one, or where it is a date."""
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if seconds >= 0 else None


def _asked_for(error: openai.APIStatusError) -> str:
    seconds = retry_after(error)
    return f"it asks for {seconds:g} s; " if seconds is not None else ""


def _said(error: openai.APIError) -> str:
    """Give the server's own words on one line; of a page of HTML, that it is one."""
    response = getattr(error, "response", None)
    if response is not None and "html" in response.headers.get("content-type", "").lower():
        return "a web page"
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error")
    told = inner.get("message") if isinstance(inner, dict) else inner or body.get("message")
    text = " ".join(str(told or "").split())
    return text[:_LONGEST_SAID] or "without a word"
