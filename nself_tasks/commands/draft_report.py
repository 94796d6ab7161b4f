"""The end of `generate` with a model: the files of a draft, or why there are none."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nself_tasks.commands.generate import created, write_pair
from nself_tasks.drafting import written
from nself_tasks.drafting.prompt import Request, spoken
from nself_tasks.errors import NselfError, Problem
from nself_tasks.migrations.directory import slug
from nself_tasks.model import Report

if TYPE_CHECKING:
    from nself_tasks.drafting.client import Client
    from nself_tasks.drafting.endpoint import Endpoint
    from nself_tasks.drafting.rounds import Drafted
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


class DraftFailed(NselfError):
    """The model has drafted nothing that passes its proof."""

    code = "draft"


def finished(
    settings: Settings,
    description: str,
    result: Drafted,
    asking: Client,
    terminal: Terminal,
    *,
    keep_unproven: bool,
) -> Report:
    """Write what may be written, and say how it came about. Raises DraftFailed."""
    terminal.notice("note", _spent(result))
    if result.faults and not (keep_unproven and result.draft):
        raise _refused(result, asking)
    draft, verdict = result.draft, result.verdict
    assert draft is not None
    if not verdict.proven:
        why = verdict.unproven or f"the last of {result.rounds} rounds still fails"
        terminal.notice("warning", f"the draft is not proven: {why}; `run` refuses it as it is")
    for label, what in written.seen(verdict.observed):
        is_grave = label in (written.LOSES, written.DEPENDS)
        terminal.notice("warning" if is_grave else "note", f"{label[0].lower()}{label[1:]}: {what}")
    now = datetime.now(UTC)
    about: dict[str, Any] = {"description": description, "model": asking.model, "now": now}
    paths = write_pair(
        settings,
        slug(draft.name) if draft.name.strip() else slug(description),
        written.up_text(draft, verdict, **about),
        written.down_text(draft, verdict, **about),
        now,
    )
    data = created(settings, paths)
    told = _told(result, asking) | {"sql": {"up": draft.up, "down": draft.down}}
    return Report("generate", 0, data | {"draft": told})


def _refused(result: Drafted, asking: Client) -> DraftFailed:
    rounds = f"{result.rounds} round{'s' if result.rounds != 1 else ''}"
    kept = "`--keep-unproven` writes it all the same, " if result.draft else ""
    return DraftFailed(
        f"{asking.model} has drafted nothing that passes its proof in {rounds}:"
        " nothing was written",
        problems=[Problem(spoken(fault)) for fault in result.faults],
        facts=_told(result, asking),
        hint=f"say more in the description, choose another `--model`, or allow more `--rounds`;"
        f" {kept}`--no-ai` makes empty files",
        database="unchanged",
    )


def _told(result: Drafted, asking: Client) -> dict[str, Any]:
    """Give what the JSON says of a draft."""
    draft, verdict = result.draft, result.verdict
    return {
        "model": asking.model,
        "endpoint": asking.endpoint.shown,
        "endpoint_source": asking.endpoint.source,
        "proven": verdict.proven,
        "unproven": verdict.unproven,
        "faults": [asdict(fault) for fault in result.faults],
        "observed": asdict(verdict.observed),
        "loses_data": bool(draft and draft.loses_data),
        "notes": draft.notes if draft else "",
        "rounds": result.rounds,
        "tokens": {"sent": result.sent, "received": result.received},
        "seconds": round(result.seconds, 3),
        "proof_seconds": round(result.proof_seconds, 3),
    }


def _spent(result: Drafted) -> str:
    counted = [
        f"{count:,} tokens {what}"
        for count, what in ((result.sent, "sent"), (result.received, "received"))
        if count is not None
    ]
    rounds = f"{result.rounds} round{'s' if result.rounds != 1 else ''}"
    return ", ".join([rounds, *counted, f"{result.seconds:.1f} s"])


def shown(asked: Request, model: str | None, found: Endpoint | None) -> Report:
    """Give what `--show-prompt` prints: the body of the request, which is not sent."""
    from nself_tasks.drafting.client import body

    prompt = {
        "endpoint": found.shown if found else None,
        "endpoint_source": found.source if found else None,
        "body": body(model, asked.messages),
    }
    return Report("generate", 0, {"created": [], "migration_version": None, "prompt": prompt})
