"""SQL as people may see it: its statements, its differences, the lines around an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from nself_tasks.migrations.position import excerpt, window
from nself_tasks.migrations.secret_literals import Span, hide, in_prose, in_sql
from nself_tasks.migrations.statements import scan
from nself_tasks.model import Script, Statement
from nself_tasks.secrets import mask

_MARGIN = 4000
"""Characters of comments before the lines shown that are looked at too."""
_LONGEST = 1_000_000
"""Characters that are cut into tokens before the lines shown; a longer statement has data."""


def masked_statement(text: str) -> str:
    """Give one statement, or what a server quotes of one, with its secrets as `***`."""
    return mask(hide(text, in_sql(text)))


def masked_excerpt(script: Script, offset: int, secrets: Sequence[str] = ()) -> str:
    """Give the lines around an offset of a script with a caret, its secrets as `***`.

    Secrets are found in whole statements: what makes a literal one may stand lines before it.
    """
    text = script.source.text
    spans = sorted(_shown_spans(text, script.statements, window(text, offset)))

    def masked(part: str, at: int) -> str:
        inside = [(max(a - at, 0), b - at) for a, b in spans if a < at + len(part) and b > at]
        return mask(hide(part, ((a, min(b, len(part))) for a, b in inside)), secrets)

    return excerpt(text, offset, masked=masked)


def masked_difference(before: str, after: str, before_name: str, after_name: str) -> str:
    """Give a unified diff of two SQL texts, secrets masked on both sides before they are compared.

    Line endings do not count. It says so where only what is masked differs.
    """
    old, new = (masked_script(text).splitlines() for text in (before, after))
    lines = list(difflib.unified_diff(old, new, before_name, after_name, lineterm="", n=2))
    if not lines and before.splitlines() != after.splitlines():
        lines = [f"--- {before_name}", f"+++ {after_name}", "only a secret, masked as ***, differs"]
    return "\n".join(lines)


def masked_script(text: str) -> str:
    """Give the SQL of a whole file with its secrets as `***`, in as many lines."""
    found = scan(text)
    spans = [
        (piece.start + a, piece.start + b) for piece in found.pieces for a, b in in_sql(piece.text)
    ]
    if found.faults:
        spans += in_sql(text)
    return hide(text, [*spans, *in_prose(text)])


def _shown_spans(
    text: str, statements: Sequence[Statement], shown: tuple[int, int]
) -> Iterator[Span]:
    """Give the secrets of the statements, and of the comments, that are among the lines shown."""
    start, end = shown
    around = max(0, start - _MARGIN)
    for statement in statements:
        first, last = statement.start, statement.start + len(statement.text)
        if first < end and last > start and start - first <= _LONGEST:
            # What is cut off at the end is hidden to its end, as it has to be.
            found = in_sql(statement.text[: end - first])
            yield from ((first + a, first + b) for a, b in found)
        elif last <= start:
            around = max(around, last)
    yield from ((around + a, around + b) for a, b in in_prose(text[around:end]))
