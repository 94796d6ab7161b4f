"""What of a fault a model may read: nothing that only the rows or the bodies of the schema hold.

A server's message quotes values (`Key (email)=(ada@example.org) already exists`), a draft can raise
any text, or give a table any name. So a word goes to the model only where it is one of ours, or
stands in what the model has been sent or has said itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nself_tasks.drafting.draft import Fault

HIDDEN = "…"

_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r""""((?:[^"]|"")*)"|'((?:[^']|'')*)'|\(([^()]*)\)=\(.*?\)""", re.DOTALL)
_ABOUT_NAMES = ("2BP01", "0A000")
"""What depends on what, and what cannot be done to it: a detail that holds names and no values."""
_OUR_WORDS = """
a after again allows anew and are as at away back be before bring by can cannot changed changes
clustered column columns comment constraint constraints data default definition differences does
down draft enabled extension filled foreign for from function gives gone grants had have identity
in index is it its key kind labels left lies longer lose loses lost make makes materialized more no
not now null numbers of on options or order owner partition place policy read removes restore role
row rows rule say schema security sequence set setting sizes space statistics storage table tables
takes that the them there they to trigger type up using valid values view was were what where which
with
"""
_OURS = frozenset(_OUR_WORDS.split())


def told(fault: Fault, known: str) -> Fault:
    """Give the fault as the model may read it, who knows the text `known`."""
    words = {word.lower() for word in _WORD.findall(known)}
    if fault.raised:
        message = "an error is raised in a function or a DO block; its text is not shown"
    elif fault.stage in ("compare", "rows"):
        message = _only(fault.message, words, counts=fault.stage == "rows")
    elif fault.sqlstate:
        message = _server(fault, words)
    else:
        message = fault.message
    return Fault(fault.stage, message, fault.sqlstate, fault.line)


def _only(text: str, words: Iterable[str], *, counts: bool) -> str:
    def shown(match: re.Match[str]) -> str:
        word = match[0].lower()
        counted = counts and word.isdigit() and len(word) <= 4
        return match[0] if word in _OURS or word in words or counted else HIDDEN

    return _WORD.sub(shown, text)


def _server(fault: Fault, words: set[str]) -> str:
    """The server's first sentence, and a detail about names; what it quotes has to be known."""

    def shown(match: re.Match[str]) -> str:
        quoted = match[0]
        return quoted if {w.lower() for w in _WORD.findall(quoted)} <= words else f'"{HIDDEN}"'

    first, *more = fault.message.split("; detail: ")
    if more and fault.sqlstate in _ABOUT_NAMES:
        return f"{_QUOTED.sub(shown, first)}; detail: {_only(more[0], words, counts=False)}"
    return _QUOTED.sub(shown, first)
