"""Makes a runnable script of a source file, or says everything that keeps it from running."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby

from nself_tasks.errors import InputError, Problem
from nself_tasks.migrations.classify import classify, refusal
from nself_tasks.migrations.lexer import tokens
from nself_tasks.migrations.marks import (
    KNOWN_WORDS,
    NO_TRANSACTION,
    UNPROVEN,
    directives,
    tool_marks,
)
from nself_tasks.migrations.source import normal_form
from nself_tasks.migrations.statements import Cut, Piece, scan
from nself_tasks.model import Category, Script, SourceFile, Statement

_OPENING = (("begin",), ("begin", "work"), ("begin", "transaction"), ("start", "transaction"))
_CLOSING = tuple(
    (first, *more) for first in ("commit", "end") for more in ((), ("work",), ("transaction",))
)


@dataclass(frozen=True, slots=True)
class Run:
    """Statements that run together: in one transaction, or one of them alone, outside of any."""

    first: int
    """The 1-based number of the first statement in its script."""
    statements: tuple[Statement, ...]
    alone: bool


def parse(source: SourceFile) -> Script:
    """The script of a file; raises InputError that lists, line by line, all that cannot be run."""
    cut = scan(source.text)
    pieces, pair = _without_outer_pair(cut.pieces)
    no_transaction, problems = _declared(source.text, cut)
    problems += [(fault.line, fault.message) for fault in cut.faults]
    problems += [
        (mark.line, f"`{mark.text}` is a section mark of {mark.tool}: {_SECTIONS}")
        for mark in tool_marks(source.text, cut)
    ]
    statements = tuple(_statement(piece) for piece in pieces)
    if pair and no_transaction:
        problems.append((pair.line, f"BEGIN contradicts `-- nself: {NO_TRANSACTION}`: delete one"))
    for statement in statements:
        if why := _refused(statement, within_pair=pair is not None):
            problems.append((statement.line, why))
    if not problems and not statements:
        problems.append((1, "has no statement: write some SQL or delete the file"))
    if problems:
        path = str(source.path)
        found = [Problem(message, path, line) for line, message in sorted(problems)]
        raise InputError(f"{path} cannot be run", problems=found, facts={"path": path})
    return Script(source, statements, no_transaction)


_SECTIONS = "keep the up part here and move the down part to a `.down.sql` file"


def statement_hash(statement: Statement) -> str:
    """The sha256 of what a statement does: the same when its comments or its spacing change."""
    piece = Piece(statement.text, statement.start, statement.line, statement.copy_data)
    return hashlib.sha256(normal_form(piece).encode()).hexdigest()


def runs(script: Script) -> tuple[Run, ...]:
    """The statements in the groups in which they commit."""
    if script.in_one_transaction:
        return (Run(1, script.statements, alone=False),)
    found: list[Run] = []
    done = 0
    for alone, group in groupby(script.statements, _runs_alone):
        together = tuple(group)
        parts = [(statement,) for statement in together] if alone else [together]
        for part in parts:
            found.append(Run(done + 1, part, alone=alone))
            done += len(part)
    return tuple(found)


def segments(script: Script) -> tuple[str, ...]:
    """How the script will run, in words: one line for each group that commits by itself."""
    if script.in_one_transaction:
        return (f"1 transaction: {_count(len(script.statements))}",)
    return tuple(_described(run) for run in runs(script))


def _runs_alone(statement: Statement) -> bool:
    return statement.category in (Category.STANDALONE, Category.UNDECIDABLE)


def _described(run: Run) -> str:
    last = run.first + len(run.statements) - 1
    if run.alone:
        return f"alone: statement {run.first} ({run.statements[0].reason})"
    if last == run.first:
        return f"transaction: statement {run.first}"
    return f"transaction: statements {run.first}-{last}"


def _count(number: int) -> str:
    return "1 statement" if number == 1 else f"{number} statements"


def _statement(piece: Piece) -> Statement:
    category, reason = classify(piece.text)
    return Statement(piece.text, piece.start, piece.line, category, reason, piece.copy_data)


def _without_outer_pair(pieces: tuple[Piece, ...]) -> tuple[tuple[Piece, ...], Piece | None]:
    """The pieces without a BEGIN … COMMIT around all of them, and that BEGIN."""
    if len(pieces) > 1 and _words(pieces[0]) in _OPENING and _words(pieces[-1]) in _CLOSING:
        return pieces[1:-1], pieces[0]
    return pieces, None


def _words(piece: Piece) -> tuple[str, ...]:
    # The longest of them has 17 letters; a file that is one INSERT of 10 MB is not read for this.
    return tuple(token.lower() for token in tokens(piece.text[:200]))


def _refused(statement: Statement, *, within_pair: bool) -> str | None:
    if within_pair and statement.category is Category.STANDALONE:
        return (
            f"{statement.reason} cannot run between BEGIN and COMMIT: "
            "delete both, then it runs alone and the rest in transactions"
        )
    return refusal(statement.text)


def _declared(text: str, cut: Cut) -> tuple[bool, list[tuple[int, str]]]:
    """Whether the file declares that it needs no transaction, and what is wrong in saying so."""
    first = cut.pieces[0].start if cut.pieces else len(text)
    said = tuple(directives(text, cut))
    known = [directive for directive in said if directive.text in KNOWN_WORDS]
    problems = [
        (
            d.line,
            _NOT_PROVEN if d.text == UNPROVEN else f"`-- nself: {d.text}` is unknown: {_KNOWN}",
        )
        for d in said
        if d not in known
    ]
    problems += [
        (d.line, f"`-- nself: {d.text}` must stand before the first statement")
        for d in known
        if d.start > first
    ]
    return any(d.start < first for d in known), problems


_KNOWN = "`nself migrate` knows " + ", ".join(f"`-- nself: {word}`" for word in KNOWN_WORDS)
_NOT_PROVEN = "is a draft that nothing has proven: review it, then delete this line"
