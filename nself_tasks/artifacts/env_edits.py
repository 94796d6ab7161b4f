"""Writes decisions about single assignments as edits that leave every other byte alone.

HASURA_DEV_MODE=true    # on          →  HASURA_GRAPHQL_DEV_MODE=true    # on
NGINX_RATE_LIMIT=10r/s                →  # nself v2 does not read NGINX_RATE_LIMIT: use …
                                         # NGINX_RATE_LIMIT=10r/s
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from nself_tasks.artifacts.env_files import EnvFile, Setting
from nself_tasks.artifacts.env_values import Pairs
from nself_tasks.rewriting.dotenv import Assignment
from nself_tasks.rewriting.edits import Edit


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one assignment."""

    action: Literal["keep", "rename", "copy", "drop"] = "keep"
    """`copy` puts the new keys on lines of their own below the old one."""
    pairs: Pairs = ()
    why: str = ""


KEEP = Decision()


def edits_of(file: EnvFile, decisions: Sequence[Decision]) -> Iterator[Edit]:
    """Give the edits of a file's assignments, in its order."""
    for assignment, decision in zip(file.assignments, decisions, strict=True):
        spelled = file.spelled.get(assignment.key_span[0])
        if spelled and decision.action in ("keep", "copy"):
            yield Edit(*assignment.value_span, spelled.written)
        match decision.action:
            case "rename":
                yield from _rename(file, assignment, decision.pairs)
            case "copy":
                yield from _lines_below(file, assignment, decision.pairs)
            case "drop":
                yield from _comment_out(file, assignment, decision.why)


def appended(text: str, note: str, added: Iterable[tuple[str, Setting]]) -> Edit:
    """Give the edit that adds settings at the end of a file, below a comment."""
    lines = [f"# {note}"]
    for key, setting in added:
        if setting.value is not None:
            lines.append(f"{key}={setting.value.written}")
        if setting.inherits:
            lines.append(key)
    newline = _newline(text)
    block = newline.join(lines)
    ends_well = not text.removeprefix("\ufeff") or text.endswith("\n")
    return Edit(len(text), len(text), block + newline if ends_well else newline + block)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _rename(file: EnvFile, assignment: Assignment, pairs: Pairs) -> Iterator[Edit]:
    (key, value), *companions = pairs
    if key != assignment.key:
        yield Edit(*assignment.key_span, key)
    if value.written != file.text[slice(*assignment.value_span)]:
        yield Edit(*assignment.value_span, value.written)
    yield from _lines_below(file, assignment, tuple(companions))


def _lines_below(file: EnvFile, assignment: Assignment, pairs: Pairs) -> Iterator[Edit]:
    if not pairs:
        return
    text, newline = file.text, _newline(file.text)
    end = text.find("\n", assignment.value_span[1])
    end = len(text) if end < 0 else end
    # Before the line's own ending, so that no edit of the next line begins at the same place.
    if text[end - 1 : end] == "\r" and end - 1 >= assignment.key_span[1]:
        end -= 1
    export = "export " if assignment.export else ""
    lines = "".join(f"{newline}{export}{key}={value.written}" for key, value in pairs)
    yield Edit(end, end, lines)


def _comment_out(file: EnvFile, assignment: Assignment, why: str) -> Iterator[Edit]:
    """Turn an assignment, which may have several lines, into a comment below the reason."""
    text = file.text
    start = text.rfind("\n", 0, assignment.key_span[0]) + 1
    if start == 0 and text.startswith("\ufeff"):
        start = 1
    yield Edit(start, start, f"# {why}{_newline(text)}# ")
    at = text.find("\n", assignment.key_span[0], assignment.value_span[1])
    while at >= 0:
        yield Edit(at + 1, at + 1, "# ")
        at = text.find("\n", at + 1, assignment.value_span[1])
