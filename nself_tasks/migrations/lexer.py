"""Where SQL's quotes, comments and words end: as much of psql's lexer as cutting needs.

The rules are those of `psqlscan.l` (standard_conforming_strings on). Every pattern is possessive,
so that no text, however broken, is looked at more than a constant number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SPACE = r" \t\n\r\f\v"
# To Postgres every byte from 0x80 on is a letter: a no-break space is part of a name.
# Written as the characters that are not in it, all ASCII: a class with a range up to the last code
# point takes Python milliseconds to compile, every time a command starts.
_NEITHER = r"\x00-#%-/:-@\[-\^`{-\x7f"
LETTER = rf"[^{_NEITHER}0-9$]"
ALPHANUMERIC = rf"[^{_NEITHER}$]"
IN_WORD = rf"[^{_NEITHER}]"
# Last in a possessive group whose alternatives can fail half-way: Python up to 3.11.4 goes on from
# where the last one failed (python/cpython#106052), and this one fails where the group began.
STOP = r"(?!)"
WORD = rf"{LETTER}{IN_WORD}*+"
_TAG = rf"(?:{LETTER}{ALPHANUMERIC}*+)?+"

# No part of a word, of a quote, of a comment, and nothing that may end a statement.
_FLAT = r"[\x00-!#%&*-,.:<-@\[\]\^`{-\x7f]"
# Tokens that cannot hide the end of a statement. `1e'…'` is a number and a plain string, `a$b$`
# one name, `$1` a parameter; an operator ends where a comment begins in it.
_OPERATOR = rf"(?:[~!@#^&|`?+*%<>=]|/(?!\*)|-(?!-)|{STOP})++"
_RUN = rf"(?![eE]'){WORD}|[0-9]++(?:{WORD})?+|{_OPERATOR}|\$(?!{_TAG}\$)"
_QUOTE = rf"[eE]'|'|\"|\${_TAG}\$"

_BLOCK_COMMENT = re.compile(r"/\*|\*/")
_LINE_COMMENT = re.compile(r"--[^\n\r]*+")
_ESCAPED = re.compile(r"(?:[^'\\]++|\\.|'')*+'", re.DOTALL)
# An E'…' string goes on, with its backslashes, in the next string when a newline is between them.
_CONTINUED = re.compile(rf"[ \t\f\v]*+(?:--[^\n\r]*+)?+[\n\r](?:[{SPACE}]++|--[^\n\r]*+[\n\r])*+'")

# Bounded, so that the first tokens of a long statement cost no more than those of a short one.
_CHUNK = re.compile(
    rf"((?:[{SPACE};()\[\],.:\\{{}}]++|(?![uU]&['\"])(?:{_RUN})|[\x00-\x1f\x7f]++){{0,64}}+)"
    rf"([uU]&['\"]|{_QUOTE}|--|/\*|)"
)
_PARTS = re.compile(rf"{WORD}|[0-9]++(?:{WORD})?+|{_OPERATOR}|[^{SPACE}]")


def stopping_at(words: str | None) -> re.Pattern[str]:
    """A pattern whose group 1 is the next thing that matters to where a statement ends.

    `words` is a pattern of the words that matter too. Whole strings, quoted names and flat
    parentheses are run over; those that never end are stopped at.
    """
    skipped = rf"(?!(?i:{words})(?!{IN_WORD}))" if words else ""
    also = rf"|{WORD}" if words else ""
    return re.compile(
        rf"(?:{_FLAT}++|{skipped}(?:{_RUN})|'[^']*+'|\"[^\"]*+\""
        rf"|\([a-zA-Z0-9_,. ]*+\)|{STOP})*+"
        rf"([;()\\]|{_QUOTE}|--|/\*|\Z{also})"
    )


def end_of(text: str, start: int, opener: str) -> int | None:
    """The offset after what `opener` begins at `start`, or None where it never ends."""
    inside = start + len(opener)
    if opener == "--":
        return line_comment_end(text, start)
    if opener == "/*":
        return _block_comment_end(text, start)
    if opener in ("e'", "E'"):
        return _escaped_end(text, inside)
    closer = opener if opener[0] == "$" else opener[-1]
    end = text.find(closer, inside)
    return None if end < 0 else end + len(closer)


def line_comment_end(text: str, start: int) -> int:
    """The offset of the line break after the `--` comment that begins at `start`."""
    match = _LINE_COMMENT.match(text, start)
    return match.end() if match else start


def tokens(text: str) -> Iterator[str]:
    """The tokens as written, without comments and space; what never ends is one last token."""
    at = 0
    while at < len(text):
        match = _CHUNK.match(text, at)
        assert match  # every part of the pattern may be empty
        yield from _PARTS.findall(match[1])
        opener, start, at = match[2], match.start(2), match.end()
        if opener:
            at = end_of(text, start, opener) or len(text)
            if opener not in ("--", "/*"):
                yield text[start:at]


def placed(text: str, at: int = 0) -> Iterator[tuple[str, int]]:
    """The tokens from `at` on with their offsets, comments too; what never ends is one of them."""
    while at < len(text):
        match = _CHUNK.match(text, at)
        assert match  # every part of the pattern may be empty
        for part in _PARTS.finditer(text, at, match.end(1)):
            yield part[0], part.start()
        opener, start, at = match[2], match.start(2), match.end()
        if opener:
            at = end_of(text, start, opener) or len(text)
            yield text[start:at], start


def _block_comment_end(text: str, start: int) -> int | None:
    depth = 0
    for match in _BLOCK_COMMENT.finditer(text, start):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return None


def _escaped_end(text: str, inside: int) -> int | None:
    while match := _ESCAPED.match(text, inside):
        more = _CONTINUED.match(text, match.end())
        if not more:
            return match.end()
        inside = more.end()
    return None
