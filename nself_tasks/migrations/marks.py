"""Comments that mean something: our own `-- nself:` words, and the section marks of other tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nself_tasks.migrations.statements import Cut

NO_TRANSACTION = "no-transaction"
KNOWN_WORDS = (NO_TRANSACTION,)
UNPROVEN = "unproven"
"""What `generate` writes over a draft that no proof has passed; only a person takes it away."""

_DIRECTIVE = re.compile(r"--[ \t]*nself:[ \t]*([^\n\r]*)", re.IGNORECASE)

# A file in which one tool keeps both directions: run as a whole it would undo itself.
_TOOLS = {
    "goose": re.compile(r"--[ \t]*\+goose\b", re.IGNORECASE),
    "dbmate": re.compile(r"--[ \t]*migrate:(?:up|down)\b", re.IGNORECASE),
    "sql-migrate": re.compile(r"--[ \t]*\+migrate\b", re.IGNORECASE),
    "micrate": re.compile(r"--[ \t]*\+micrate\b", re.IGNORECASE),
    "rambler": re.compile(r"--[ \t]*rambler[ \t]+(?:up|down)\b", re.IGNORECASE),
    "a tool with UP and DOWN sections": re.compile(
        r"--[ \t]*(?:up|down)[ \t]*(?=[\n\r]|\Z)", re.IGNORECASE
    ),
}


@dataclass(frozen=True, slots=True)
class Directive:
    """One `-- nself:` line."""

    text: str
    start: int
    line: int


@dataclass(frozen=True, slots=True)
class ToolMark:
    """The first section mark of another tool in a file."""

    tool: str
    text: str
    start: int
    line: int


def directives(text: str, cut: Cut) -> Iterator[Directive]:
    """The `-- nself:` comments that stand alone on their line, in their order."""
    for start in cut.comments:
        match = _DIRECTIVE.match(text, start)
        if match and _begins_line(text, start):
            yield Directive(match[1].strip().lower(), start, _line(text, start))


def tool_marks(text: str, cut: Cut) -> Iterator[ToolMark]:
    """The first section mark of each other tool; marks within quotes and COPY data are data."""
    for tool, pattern in _TOOLS.items():
        # Most files have none: look for the words before looking at every comment.
        if not pattern.search(text):
            continue
        for start in cut.comments:
            match = pattern.match(text, start)
            if match and _begins_line(text, start):
                yield ToolMark(tool, match[0].strip(), start, _line(text, start))
                break


def _begins_line(text: str, start: int) -> bool:
    return not text[text.rfind("\n", 0, start) + 1 : start].strip()


def _line(text: str, start: int) -> int:
    return text.count("\n", 0, start) + 1
