"""The tokens of SQL as a search for secrets wants them: strings whole, and no comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from nself_tasks.migrations.lexer import placed

Token = tuple[str, int]
"""A token and where it begins."""

_FARTHEST = 64
"""How many tokens belong to one call or value: a bound, so that no text takes quadratic time."""

_PREFIXES = frozenset("nNbBxX")
_ENDS_EMPTY = re.compile(r"[\s,;):|\]]|\Z")


def whole(text: str, at: int = 0) -> Iterator[Token]:
    """Give the tokens, with a string that has quotes in it as one: to the lexer it is several."""
    start = end = at
    for token, here in placed(text, at):
        if not (here == end and token[0] == "'" and text.startswith("'", end - 1) and end > start):
            if end > start:
                yield text[start:end], start
            start = here
        end = here + len(token)
    if end > start:
        yield text[start:end], start


def following(text: str, at: int) -> Iterator[Token]:
    """Give the next tokens without comments, and without what only leads to a literal or a sign."""
    done = at
    for token, start in islice(whole(text, at), _FARTHEST):
        leads = token in (":", "\\") or (token in _PREFIXES and text.startswith("'", start + 1))
        if leads or start < done or token[:2] in ("--", "/*"):
            continue
        done = _end(text, token, start)
        yield text[start:done], start
    # A last token, so that nobody has to ask whether there is one.
    yield "", len(text)


def _end(text: str, token: str, start: int) -> int:
    """Where a token ends; in a string `''x''` is one."""
    end = start + len(token)
    if token != "''" or _ENDS_EMPTY.match(text, end):
        return end
    closing = text.find("''", end)
    while text.startswith("''''", closing):
        closing = text.find("''", closing + 4)
    return closing + 2 if closing >= 0 else end
