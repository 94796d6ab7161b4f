"""What has to hold for any input of each scanner; whatever does not is an AssertionError."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from pathlib import PurePosixPath

from nself_tasks.errors import InputError, Problem
from nself_tasks.migrations import script, source, statements
from nself_tasks.migrations.lexer import tokens
from nself_tasks.migrations.masked import masked_excerpt, masked_script
from nself_tasks.rewriting import dotenv, nginx_tokens, yaml_spans, yaml_values
from nself_tasks.rewriting.edits import Edit, apply

_PATH = PurePosixPath("backend/migrations/1_a.sql")


def sql(raw: bytes) -> None:
    """Read, cut and classify a migration: InputError is the only way out."""
    try:
        found = source.read(_PATH, raw)
    except InputError:
        return
    text = found.text
    assert text.encode() == raw.removeprefix(b"\xef\xbb\xbf"), "the text is not the file"
    cut = statements.scan(text)
    line_of = _lines(text)
    at = 0
    for piece in cut.pieces:
        assert piece.start >= at, "two statements overlap"
        at = piece.start + len(piece.text)
        assert text[piece.start : at] == piece.text, "a statement is not its slice"
        assert piece.line == line_of(piece.start), "a statement's line is wrong"
        assert piece.copy_data is None or piece.copy_data in text[at:], "COPY data are changed"
    _tokens_come_back(text)
    # What people are shown is cut to a window; a whole file of this size is masked for a diff.
    shown = text[:50_000]
    assert masked_script(shown).count("\n") == shown.count("\n"), "masking moves lines"
    assert bool(cut.pieces) <= source.has_statement(text), "the fast look misses a statement"
    source.token_checksum(text)
    try:
        parsed = script.parse(found)
    except InputError as error:
        _names_a_place(error)
        return
    assert not cut.faults, "a file with faults is run"
    script.runs(parsed)
    masked_excerpt(parsed, len(text) // 2)
    for statement in parsed.statements:
        script.statement_hash(statement)


def _names_a_place(error: InputError) -> None:
    assert error.problems, "a refusal names no place"


def _tokens_come_back(text: str) -> None:
    at = 0
    for token in tokens(text):
        here = text.find(token, at)
        assert here >= 0, "a token is not in the text"
        at = here + len(token)


def env(raw: bytes) -> None:
    """Read and resolve an env file: nothing is raised, whatever the bytes are."""
    text = raw.decode("utf-8", "surrogateescape")
    found = dotenv.read(text)
    line_of = _lines(text)
    spans = [span for each in found.assignments for span in (each.key_span, each.value_span)]
    _joined_again(text, raw, spans)
    for each in found.assignments:
        assert text[slice(*each.key_span)] == each.key, "a key is not its slice"
        assert each.line == line_of(each.key_span[0]), "a key's line is wrong"
    dotenv.interpolate({each.key: each for each in found.assignments}, {"HOME": "/home/ada"})


def yaml(raw: bytes) -> None:
    """Read a YAML text: nothing is raised, and every span lies inside of its collection's."""
    text = raw.decode("utf-8", "surrogateescape")
    root = yaml_spans.read(text)
    if root is None or isinstance(root, Problem):
        return
    nodes = list(root.walk())
    scalars = [(each.start, each.end) for each in nodes if each.kind in ("scalar", "alias")]
    _joined_again(text, raw, scalars)
    assert all(0 <= each.start <= each.end <= len(text) for each in nodes), "a span leaves the text"
    for each in nodes:
        written = text[each.start : each.end]
        # To YAML U+0085 and U+2028 are line breaks as well, and a word is folded at them.
        if each.kind == "scalar" and not each.style and len(written.splitlines()) == 1:
            assert written.endswith(each.value), "a plain word is not its slice"
    yaml_values.plain(root)


def nginx(raw: bytes) -> None:
    """Read a configuration of nginx: nothing is raised, every directive lies in its block."""
    text = raw.decode("utf-8", "surrogateescape")
    found = nginx_tokens.read(text)
    if isinstance(found, Problem):
        assert found.line, "a problem names no line"
        return
    spans = []
    line_of = _lines(text)
    for directive, parent in nginx_tokens.walk(found):
        assert directive.line == line_of(directive.start), "a line is wrong"
        assert text[directive.end - 1] in ";}", "a directive does not end at its mark"
        if parent:
            assert parent.start < directive.start < directive.end < parent.end, (
                "it leaves its block"
            )
        spans += [(word.start, word.end) for word in directive.args]
    _joined_again(text, raw, spans)


def _lines(text: str) -> Callable[[int], int]:
    breaks = [match.start() for match in re.finditer("\n", text)]
    return lambda offset: bisect_left(breaks, offset) + 1


def _joined_again(text: str, raw: bytes, spans: list[tuple[int, int]]) -> None:
    """Put every span back where it was: what comes out has to be the file, byte for byte."""
    ordered = [offset for span in spans for offset in span]
    assert ordered == sorted(ordered), "spans overlap or are out of order"
    same = apply(text, (Edit(start, end, text[start:end]) for start, end in spans))
    assert same.encode("utf-8", "surrogateescape") == raw, "the round trip changed the file"


SCANNERS: dict[str, Callable[[bytes], None]] = {
    "sql": sql,
    "env": env,
    "yaml": yaml,
    "nginx": nginx,
}
