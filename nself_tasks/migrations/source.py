"""Reads a migration's bytes into text, and says when two texts are the same migration."""

from __future__ import annotations

import codecs
import hashlib
import re
from pathlib import PurePosixPath

from nself_tasks.errors import InputError, Problem
from nself_tasks.migrations.lexer import SPACE, STOP, tokens
from nself_tasks.migrations.marks import directives
from nself_tasks.migrations.statements import Piece, scan
from nself_tasks.model import SourceFile

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# Everything that may stand before the first statement, up to a comment that may be nested.
_NOTHING = re.compile(
    rf"(?:[{SPACE};]++|--[^\n\r]*+|\\(?:un)?restrict[^\n]*+"
    rf"|/\*(?:[^*/]++|\*(?!/)|/(?!\*)|{STOP})*+\*/|{STOP})*+"
)


def read(path: PurePosixPath, raw: bytes) -> SourceFile:
    """The decoded file; raises InputError for UTF-16, bad UTF-8 and NUL bytes.

    libpq would cut the text at a NUL byte without a word, and a BOM is a syntax error to Postgres.
    """
    if raw.startswith(_UTF16):
        raise _unreadable(path, "is UTF-16: save it as UTF-8", 1)
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if (nul := raw.find(b"\0")) >= 0:
        raise _unreadable(path, "holds a NUL byte: delete it", raw.count(b"\n", 0, nul) + 1)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8"
        raise _unreadable(path, byte, line) from error
    return SourceFile(path, text, text_checksum(text))


def text_checksum(text: str) -> str:
    """The sha256 of a text, the same for every kind of line ending."""
    return _sha256(_with_newlines(text))


def token_checksum(text: str) -> str:
    """The sha256 of what a text does: the same when only comments, space or line endings differ.

    Literals, function bodies and COPY data count exactly, as do the `-- nself:` lines. SQL that
    cannot be cut counts as it is written.
    """
    text = _with_newlines(text)
    cut = scan(text)
    if cut.faults:
        return _sha256(text)
    said = [directive.text for directive in directives(text, cut)]
    return _sha256("\n".join([*said, *(normal_form(piece) for piece in cut.pieces)]))


def normal_form(piece: Piece) -> str:
    """A statement's tokens one space apart, and its COPY data: what its hash is made of."""
    form = " ".join(tokens(piece.text))
    return form if piece.copy_data is None else f"{form}\n{piece.copy_data}\\."


def has_statement(text: str) -> bool:
    """Whether there is anything but comments, space and `\\restrict` lines, without cutting."""
    found = _NOTHING.match(text)
    rest = text[found.end() : found.end() + 2] if found else ""
    # Only a comment in a comment, or one that never ends, is left to the real lexer.
    return bool(scan(text).pieces) if rest == "/*" else bool(rest)


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _unreadable(path: PurePosixPath, message: str, line: int) -> InputError:
    return InputError(f"{path} cannot be read", problems=[Problem(message, str(path), line)])
