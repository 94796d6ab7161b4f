"""The text of the two files: the header that says what a draft is and what was proven, the SQL.

-- nself: unproven                       only where it is: `run` refuses the file
-- Draft: add stripe_customer_id to users
-- Model: gemma2:2b, 2026-05-07
-- Proven: up, down and up again …
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from nself_tasks.drafting.draft import Draft, Observed, Verdict
from nself_tasks.drafting.prompt import spoken
from nself_tasks.migrations.marks import UNPROVEN

LOSES, DEPENDS = "Loses for good", "Depends on the data"
_LONGEST = 400
_PROVEN = "up, down and up again in a scratch database with this schema; after down the catalog "
_ALL = "and the planted rows were as before."
_BUT = "was as before, and so were the planted rows, but for what is lost for good."


def up_text(draft: Draft, verdict: Verdict, *, description: str, model: str, now: datetime) -> str:
    """Give the up file's text."""
    lines = [] if verdict.proven else [f"-- nself: {UNPROVEN}", _DELETE]
    lines += [_line("Draft", description), _line("Model", f"{model}, {now:%Y-%m-%d}")]
    lines += [_line(*said) for said in _shown(draft, verdict)]
    return "\n".join(lines) + f"\n\n{_body(draft.up)}"


def down_text(
    draft: Draft, verdict: Verdict, *, description: str, model: str, now: datetime
) -> str:
    """Give the down file's text."""
    lines = [_line("Undoes", description), _line("Model", f"{model}, {now:%Y-%m-%d}")]
    lines.append(
        f"-- Proven: {_proven(verdict)}" if verdict.proven else "-- Not proven: see the up file."
    )
    if draft.loses_data:
        lines.append("-- Loses data, says the model.")
    return "\n".join(lines) + f"\n\n{_body(draft.down)}"


_DELETE = "-- The line above keeps `nself migrate run` from running this; delete it after a review."


def _shown(draft: Draft, verdict: Verdict) -> Iterator[tuple[str, str]]:
    if verdict.proven:
        yield "Proven", _proven(verdict)
    elif verdict.unproven is not None:
        yield "Not proven", verdict.unproven
    for fault in verdict.faults:
        yield "Fails", spoken(fault)
    yield from seen(verdict.observed)
    if draft.notes.strip():
        yield "Note", draft.notes


def _proven(verdict: Verdict) -> str:
    return _PROVEN + (_BUT if verdict.observed.losing else _ALL)


def seen(observed: Observed) -> Iterator[tuple[str, str]]:
    """Give what was seen while the draft ran, each under its label."""
    yield from (("Locks", lock) for lock in observed.locks)
    yield from (("Rewrites", table) for table in observed.rewritten)
    yield from ((LOSES, what) for what in observed.losing)
    yield from (("Runs outside a transaction", what) for what in observed.outside_transaction)
    yield from ((DEPENDS, what) for what in observed.conditional)


def _line(label: str, text: str) -> str:
    """Give one comment line; the label keeps the text from being a mark of ours or of a tool."""
    words = " ".join(text.split())
    words = "".join(sign for sign in words if sign.isprintable())
    return f"-- {label}: {words if len(words) <= _LONGEST else words[:_LONGEST] + '…'}"


def _body(sql: str) -> str:
    return sql.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"
