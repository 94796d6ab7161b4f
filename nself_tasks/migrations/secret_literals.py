"""Finds what is a secret in SQL by what stands before it, and hides it.

    ALTER ROLE ada PASSWORD /* new */ 'pw'             ->  ALTER ROLE ada PASSWORD /* new */ ***
    ALTER DATABASE shop SET app.jwt_secret TO 'pw'     ->  … SET app.jwt_secret TO ***
    SELECT set_config('app.jwt_secret', 'pw', false)   ->  … set_config('app.jwt_secret', ***, ***)

Names and literals are found by the lexer, so that neither comments nor line breaks nor the way in
which a literal is quoted make a difference. In doubt too much is hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nself_tasks.migrations.secret_tokens import Token, following, whole
from nself_tasks.secret_names import is_secret_name, may_name_a_secret

HIDDEN = "***"

Span = tuple[int, int]
"""Where something begins and ends in a text."""

_DEEPEST = 4
"""How often SQL may be quoted in SQL and is still looked at."""
_NEAR = 1000
"""In how many characters of prose a value has to begin, for the same reason."""

_NAME = re.compile(
    r"(?<![\w$.])[\w$.]*?(?:key|secret|token|pass|pwd|credential|license|dsn|pw|sk"
    r"|\bset_config\b)[\w$]*+",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(
    r"(?<=PRIVATE KEY-----).*?(?=-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)
_LINE = re.compile(r"[^\n]+")
_LITERAL = re.compile(r"[eE]?'|[uU]&'|\$\w*\$")
_MARKS = re.compile(r"\A(?:[eE]?'+|[uU]&'|\$\w*\$)|(?:'+|\$\w*\$)\Z")


def hide(text: str, spans: Iterable[Span]) -> str:
    """Give the text with `***` for each span, once in each of its lines."""
    parts, end = [], 0
    for start, stop in sorted(spans):
        if stop > end:
            at = max(start, end)
            parts += [text[end:at], _LINE.sub(HIDDEN, text[at:stop])]
            end = stop
    return "".join((*parts, text[end:]))


def in_sql(text: str) -> Iterator[Span]:
    """Give where secrets are in SQL; they may overlap. A literal without its end is hidden too."""
    if may_name_a_secret(text):
        yield from _in_sql(text, _DEEPEST)
        if "PRIVATE KEY-----" in text:
            yield from (match.span() for match in _PRIVATE_KEY.finditer(text))


def in_prose(text: str) -> Iterator[Span]:
    """Give where secrets are in words that quote some SQL: in a message, a comment, a string.

    Where a string or a comment begins is not known there, so a name is looked for anywhere.
    """
    if not may_name_a_secret(text):
        return
    end = 0
    for found in _NAME.finditer(text):
        if found.start() >= end:
            at = found.end() + text.startswith('"', found.end())
            piece = text[at : at + _NEAR]
            for start, stop in _after(piece, found[0], 0, lexed=False):
                if stop == len(piece):
                    stop = start + len(next(following(text, at + start))[0])
                end = at + stop
                yield at + start, end


def _in_sql(text: str, deepest: int) -> Iterator[Span]:
    for token, start in whole(text):
        quoted = token[0] in "-/" or _LITERAL.match(token)
        if (quoted or token[0] == '"') and may_name_a_secret(token):
            yield from ((start + a, start + b) for a, b in _inside(token, deepest))
        if not quoted:
            yield from _after(text, token, start + len(token), lexed=True)


def _inside(token: str, deepest: int) -> Iterator[Span]:
    """Look into a string, a comment or a quoted name; the body of a routine is SQL again."""
    tag = token[: token.find("$", 1) + 1] if token[0] == "$" else ""
    if tag and deepest:
        body = token[len(tag) :].removesuffix(tag)
        yield from ((len(tag) + a, len(tag) + b) for a, b in _in_sql(body, deepest - 1))
    else:
        yield from in_prose(token)


def _after(text: str, name: str, end: int, *, lexed: bool) -> Iterator[Span]:
    """Give what is a secret because a word or a name, which ends at `end`, stands before it."""
    word = name.lower()
    if word.endswith("set_config"):
        yield from _argument(text, end)
    elif word == "set":
        yield from _setting(text, end)
    elif is_secret_name(name.strip('"')):
        # Where strings are not known, `password'` may be the end of one.
        directly = lexed or (word == "password" and not text.startswith("'", end))
        yield from _value(text, end, directly=directly)


def _value(text: str, at: int, *, directly: bool) -> Iterator[Span]:
    """The literals of `NAME 'x'`, `NAME = 'x' || 'y'`, `NAME TO 'x'`, `NAME => f('x')`."""
    tokens = following(text, at)
    token, start = next(tokens)
    if signed := token.lower() in ("=", "=>", "to"):
        token, start = next(tokens)
    while signed and token == "(":
        token, start = next(tokens)
    while (signed or directly) and _LITERAL.match(token):
        if token != f"'{HIDDEN}'":
            yield start, start + len(token)
        token, start = next(tokens)
        if token == "||":
            token, start = next(tokens)
    while signed and token[:1].isalpha():
        token, start = next(tokens)
        if token == "(":
            yield from _literals(tokens)
        elif token == ".":
            token, start = next(tokens)


def _literals(tokens: Iterator[Token]) -> Iterator[Span]:
    """The literals up to the parenthesis that closes the one before them."""
    depth = 1
    for token, start in tokens:
        depth += (token == "(") - (token == ")")
        if depth == 0:
            return
        if _LITERAL.match(token):
            yield start, start + len(token)


def _argument(text: str, at: int) -> Iterator[Span]:
    """The literals of a set_config() but the setting's name, where that names a secret."""
    tokens = following(text, at)
    if next(tokens)[0] != "(":
        return
    found = list(_literals(tokens))
    naming = [is_secret_name(_MARKS.sub("", text[start:end])) for start, end in found]
    if any(naming):
        # In named notation the value may come first: then the name is hidden with it.
        by_place = naming[0] and "=>" not in text[at : found[0][0]]
        yield from found[by_place:]


def _setting(text: str, at: int) -> Iterator[Span]:
    """The bare words of `SET app.api_key TO x, y`; its literals are found by their name."""
    name, tokens = "", following(text, at)
    for token, _ in tokens:
        if token.lower() in ("=", "to"):
            break
        if not (token == "." or token[:1] in ('"', "_") or token[:1].isalpha()):
            return
        name += token.strip('"')
    if not is_secret_name(name) or not ("." in name or token.lower() == "to"):
        return
    for token, start in tokens:
        if token in (";", "") or token.lower() == "default":
            return
        yield start, start + len(token)
        if next(tokens)[0] != ",":
            return
