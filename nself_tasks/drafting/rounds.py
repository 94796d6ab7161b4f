"""The conversation: a draft, its proof, the faults sent back, at most so many rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nself_tasks.drafting import answer
from nself_tasks.drafting.draft import Draft, Fault, Verdict
from nself_tasks.drafting.prompt import Message, Request, again, spoken
from nself_tasks.drafting.replies import Reply, require_said

ROUNDS = 3
_LONGEST_ECHO = 60_000
"""Characters of an answer that are sent back with its faults."""


class Asks(Protocol):
    """A model that can be asked."""

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Give its reply; raises ModelFailed."""


class Proves(Protocol):
    """A proof of drafts: the seam to the scratch database."""

    def prove(self, draft: Draft) -> Verdict:
        """Run the draft up, down and up again where it can do no harm, and give what was seen."""


@dataclass(slots=True)
class Drafted:
    """What the rounds have come to."""

    draft: Draft | None = None
    """The last one that was a draft at all."""
    verdict: Verdict = field(default_factory=lambda: Verdict(proven=False))
    faults: tuple[Fault, ...] = ()
    """Of the last round."""
    rounds: int = 0
    sent: int | None = None
    """Tokens, as the server counts them; None where it does not."""
    received: int | None = None
    seconds: float = 0.0
    proof_seconds: float = 0.0

    def count(self, reply: Reply) -> None:
        """Add a reply's tokens."""
        if reply.sent is not None:
            self.sent = (self.sent or 0) + reply.sent
        if reply.received is not None:
            self.received = (self.received or 0) + reply.received


def converse(
    model: Asks,
    prover: Proves,
    request: Request,
    *,
    rounds: int = ROUNDS,
    secrets: Sequence[str] = (),
    notice: Callable[[str, str], None] = lambda level, text: None,
) -> Drafted:
    """Give the first draft that is proven, or that nobody can prove, else the last one.

    Raises ModelFailed where no answer comes or the model refuses.
    """
    found, messages, began = Drafted(), request.messages, time.monotonic()
    for number in range(1, rounds + 1):
        found.rounds = number
        reply = model.ask(messages)
        found.count(reply)
        require_said(reply)
        _judge(found, reply, prover)
        found.seconds = time.monotonic() - began
        if not found.faults:
            break
        notice("note", f"round {number}: {_summary(found.faults)}")
        messages = [
            *messages,
            {"role": "assistant", "content": reply.text[:_LONGEST_ECHO] or "(nothing)"},
        ]
        known = "\n".join(str(message["content"]) for message in messages)
        told = again(found.faults, secrets, known=known)
        messages = [*messages, {"role": "user", "content": told}]
    return found


def _judge(found: Drafted, reply: Reply, prover: Proves) -> None:
    """Put what the reply is worth into `found`: no fault where it needs no further round."""
    try:
        if reply.finish == "length":
            raise answer.BadAnswer("the answer was cut off at the model's limit: write less")
        draft = answer.draft(reply.text)
    except answer.BadAnswer as error:
        found.faults = (Fault("screen", str(error)),)
        return
    began = time.monotonic()
    found.draft, found.verdict = draft, prover.prove(draft)
    found.proof_seconds += time.monotonic() - began
    settled = found.verdict.proven or found.verdict.unproven is not None
    unsaid = (Fault("screen", "the proof failed without a word"),)
    found.faults = () if settled else found.verdict.faults or unsaid


def _summary(faults: Sequence[Fault]) -> str:
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return spoken(faults[0]) + more
