"""Expands the variables of one text as compose does: `$X`, `${X}`, `${X:-d}` … and `$$`.

${HOST:-127.0.0.1}:$PORT  with PORT=5432  ->  127.0.0.1:5432
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_NAME = r"[A-Za-z_][A-Za-z0-9_]*+"
_REFERENCE = re.compile(rf"\$\$|\$\{{?({_NAME})")
_TOKEN = re.compile(
    rf"\$\$|\$\{{(?P<braced>{_NAME})(?P<sign>:?[-+?]|(?=\}}))|\$(?P<plain>{_NAME})|\}}"
)

LARGEST = 16_000_000
"""Characters that one budget lets grow; twenty lines of `A=$B$B` would ask for gigabytes."""


@dataclass(slots=True)
class Budget:
    """How many characters references may still bring in; afterwards they are empty."""

    left: int = LARGEST

    def spend(self, text: str) -> str:
        """Give the text back while there is room for it, else an empty one."""
        self.left -= len(text)
        return text if self.left >= 0 else ""


@dataclass(slots=True)
class _Open:
    """A `${NAME:-` whose `}` has not come yet."""

    start: int
    name: str
    sign: str
    parts: list[str] = field(default_factory=list)


def references(text: str) -> Iterator[str]:
    """Give the names that the text refers to, at any depth."""
    return (found[1] for found in _REFERENCE.finditer(text) if found[1])


def expand(text: str, lookup: Callable[[str], str | None], budget: Budget) -> str:
    """Give the text with its variables replaced; one that is never closed stays as written."""
    whole = _Open(0, "", "")
    stack = [whole]
    end = 0
    for token in _TOKEN.finditer(text):
        parts = stack[-1].parts
        parts.append(text[end : token.start()])
        end = token.end()
        if token["braced"]:
            stack.append(_Open(token.start(), token["braced"], token["sign"]))
        elif token["plain"]:
            parts.append(budget.spend(lookup(token["plain"]) or ""))
        elif token[0] == "$$":
            parts.append("$")
        elif len(stack) > 1:
            closed = stack.pop()
            stack[-1].parts.append(budget.spend(_resolved(closed, lookup)))
        else:
            parts.append("}")
    if len(stack) > 1:
        return "".join((*whole.parts, text[stack[1].start :]))
    return "".join((*whole.parts, text[end:]))


def _resolved(found: _Open, lookup: Callable[[str], str | None]) -> str:
    """Give the value of a closed `${…}`; under `:?` a missing one is empty, not an error."""
    value = lookup(found.name)
    # With a colon an empty variable counts as a missing one.
    there = bool(value) if found.sign.startswith(":") else value is not None
    match found.sign[-1:]:
        case "-":
            return (value or "") if there else "".join(found.parts)
        case "+":
            return "".join(found.parts) if there else ""
        case _:
            return value or ""
