"""Which statements of a script decide, for those after them, what a name means and who acts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from nself_tasks.migrations.lexer import tokens
from nself_tasks.migrations.reader import first_word
from nself_tasks.model import Script, Statement

_HEAD_TOKENS = 12
_PATH = ("search_path", "schema")
_ROLE = ("role",)


@dataclass(frozen=True, slots=True)
class InForce:
    """The statements before one that changed its search path, and those that changed its role."""

    path: tuple[str, ...] = ()
    role: tuple[str, ...] = ()


def in_force(script: Script) -> tuple[InForce, ...]:
    """Give, for every statement of a script, the settings that were made before it, in order.

    The statements are as written: replayed in a transaction that is rolled back they change
    nothing.
    """
    found, now = [], InForce()
    for statement in script.statements:
        found.append(now)
        what = changes(statement)
        if what == "path":
            now = InForce((*now.path, statement.text), now.role)
        elif what == "role":
            now = InForce(now.path, (*now.role, statement.text))
    return tuple(found)


def changes(statement: Statement) -> str | None:
    """Give `path` or `role` for a SET, RESET or set_config() of one of them, else None."""
    if first_word(statement.text) not in ("set", "reset", "select"):
        return None
    head = [t.lower() for t in islice(tokens(statement.text), _HEAD_TOKENS)]
    if head[:1] == ["reset"]:
        return _named(head[1:]) or ("path" if head[1:2] == ["all"] else None)
    if head[:1] == ["set"]:
        rest = head[1:]
        if rest[:1] == ["local"] or (rest[:1] == ["session"] and rest[1:2] != ["authorization"]):
            rest = rest[1:]
        return _named(rest)
    if head[:1] == ["select"] and "set_config" in head[1:4] and "(" in head:
        return _named([head[head.index("(") + 1].strip("'")])
    return None


def _named(words: list[str]) -> str | None:
    if words[:2] == ["session", "authorization"] or words[:1] == ["session_authorization"]:
        return "role"
    first = "".join(words[:1])
    return "path" if first in _PATH else "role" if first in _ROLE else None
