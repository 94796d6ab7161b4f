"""Which right one statement needs on what it names, read from its tokens alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nself_tasks.migrations.lexer import tokens
from nself_tasks.migrations.reader import Reader, first_word, stored_parts

_RELATIONS = (
    ("table",),
    ("foreign", "table"),
    ("materialized", "view"),
    ("view",),
    ("sequence",),
    ("index",),
)
_TYPES = (("type",), ("domain",))
_MADE = (*_RELATIONS[:5], *_TYPES, ("function",), ("procedure",))
_VIEWS = (("view",), ("materialized", "view"))
_IMPLIED = (("sequence",), ("index",))
"""They come with tables, and go with them, without being named."""
_BEFORE_A_KIND = ("or", "replace", "unlogged", "recursive", "trusted")
_TEMPORARY = ("temp", "temporary", "local", "global")


class Named(NamedTuple):
    """What a statement names, as the catalog keeps it."""

    right: str
    """own, drop, create, create schema, maintain or role."""
    kind: str
    """relation, type, schema or role; of `create` the schema alone counts."""
    schema: str | None
    name: str
    if_exists: bool = False
    if_missing: bool = False
    """Whether the right is needed only where the thing is not there."""
    is_implied: bool = False
    """Whether it may have come or gone with something else."""
    is_view: bool = False


def named(text: str) -> Iterator[Named]:
    """Give the rights that a statement surely needs if it is the first one of all."""
    reads = {
        "alter": _of_alter,
        "comment": _of_comment,
        "create": _of_create,
        "drop": _of_drop,
        "reindex": _of_reindex,
        "set": _of_set,
    }
    if read := reads.get(first_word(text)):
        yield from read(text)


def _of_alter(text: str) -> Iterator[Named]:
    read = Reader(text, 40)
    read.words("alter")
    for words in (*_RELATIONS, *_TYPES, ("schema",)):
        if read.words(*words):
            if read.words("all"):
                return
            if_exists = read.words("if", "exists")
            read.words("only")
            yield from _owned("own", words, [read.name() or ""], if_exists=if_exists)
            return


def _of_drop(text: str) -> Iterator[Named]:
    read = Reader(text)
    read.words("drop")
    for words in (*_RELATIONS, *_TYPES, ("schema",)):
        if read.words(*words):
            read.words("concurrently")
            if_exists = read.words("if", "exists")
            yield from _owned("drop", words, read.names(), if_exists=if_exists)
            return


def _owned(
    right: str, words: tuple[str, ...], names: list[str], *, if_exists: bool = False
) -> Iterator[Named]:
    kind = "type" if words in _TYPES else "schema" if words == ("schema",) else "relation"
    for name in names:
        if name and (parts := stored_parts(name)):
            yield Named(right, kind, *parts, if_exists, is_implied=words in _IMPLIED)


def _of_comment(text: str) -> Iterator[Named]:
    read = Reader(text, 40)
    read.words("comment", "on")
    for words in (*_RELATIONS, *_TYPES, ("schema",)):
        if read.words(*words):
            yield from _owned("own", words, [read.name() or ""])
            return
    if read.words("column") and (name := read.name()):
        yield from _owned("own", ("table",), ["".join([*tokens(name)][:-2])])


def _of_reindex(text: str) -> Iterator[Named]:
    read = Reader(text, 40)
    read.words("reindex")
    if read.words("("):
        while not read.words(")"):
            if not read.words("verbose") and not read.words("concurrently"):
                return
            read.words(",")
    for words in (("table",), ("index",)):
        if read.words(*words):
            read.words("concurrently")
            yield from _owned("maintain", words, [read.name() or ""])


def _of_set(text: str) -> Iterator[Named]:
    read = Reader(text, 8)
    read.words("set")
    if not read.words("local"):
        read.words("session")
    if not read.words("role"):
        return
    if not read.words("to"):
        read.words("=")
    [name] = read.written()[:1] or [""]
    if name.startswith("'"):
        name = f'"{name[1:-1]}"'
    if name.lower() in ("none", "default", '"none"') or "'" in name:
        return
    if (parts := stored_parts(name)) and parts[0] is None:
        yield Named("role", "role", *parts)


def _of_create(text: str) -> Iterator[Named]:
    read = Reader(text, 40)
    read.words("create")
    while any(read.words(word) for word in _BEFORE_A_KIND):
        pass
    if any(read.words(word) for word in _TEMPORARY):
        return
    if read.words("schema"):
        if_missing = read.words("if", "not", "exists")
        name = read.name() or ""
        if (parts := stored_parts(name)) and name.lower() != "authorization":
            yield Named("create schema", "schema", *parts, if_missing=if_missing)
        return
    read.words("unique")
    if read.words("index"):
        yield from _of_index(read)
        return
    for words in _MADE:
        if read.words(*words):
            if_missing = read.words("if", "not", "exists")
            if parts := stored_parts(read.name() or ""):
                is_view = words in _VIEWS
                yield Named("create", "schema", *parts, if_missing=if_missing, is_view=is_view)
            return


def _of_index(read: Reader) -> Iterator[Named]:
    read.words("concurrently")
    read.words("if", "not", "exists")
    if not read.words("on"):
        read.name()
        read.words("on")
    read.words("only")
    yield from _owned("own", ("table",), [read.name() or ""])
