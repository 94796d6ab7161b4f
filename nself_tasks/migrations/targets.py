"""Which object a statement outside of a transaction makes or removes, to ask the catalog about it.

Names are given as written (`public."Orders"`), so that `to_regclass` reads them like the statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from nself_tasks.migrations.reader import Reader, stored_name

__all__ = [
    "DetachedPartition",
    "IndexTarget",
    "NamedObject",
    "detached_partition",
    "dropped_index",
    "index_target",
    "named_object",
    "stored_name",
]

_HEAD_TOKENS = 24


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """What a CREATE INDEX makes, and on which table."""

    name: str | None
    """As written, never with a schema; None where Postgres chooses it."""
    table: str
    """As written, with its schema if it has one."""
    concurrently: bool
    if_not_exists: bool


class DetachedPartition(NamedTuple):
    """What ALTER TABLE … DETACH PARTITION separates."""

    parent: str
    partition: str


class NamedObject(NamedTuple):
    """What CREATE or DROP of a database, tablespace or subscription is about."""

    verb: str
    kind: str
    name: str


def index_target(text: str) -> IndexTarget | None:
    """The index that a CREATE INDEX makes; None for any other statement."""
    read = Reader(text, _HEAD_TOKENS)
    if not read.words("create"):
        return None
    read.words("unique")
    if not read.words("index"):
        return None
    concurrently = read.words("concurrently")
    if_not_exists = read.words("if", "not", "exists")
    name = None
    if not read.words("on"):
        name = read.name()
        read.words("on")
    read.words("only")
    table = read.name()
    return IndexTarget(name, table, concurrently, if_not_exists) if table else None


def dropped_index(text: str) -> str | None:
    """The index of a DROP INDEX CONCURRENTLY; None for any other statement."""
    read = Reader(text, _HEAD_TOKENS)
    if not read.words("drop", "index", "concurrently"):
        return None
    read.words("if", "exists")
    return read.name()


def detached_partition(text: str) -> DetachedPartition | None:
    """Parent and partition of an ALTER TABLE … DETACH PARTITION; None for any other statement."""
    read = Reader(text, _HEAD_TOKENS)
    if not read.words("alter", "table"):
        return None
    read.words("if", "exists")
    read.words("only")
    parent = read.name()
    partition = read.name() if read.words("detach", "partition") else None
    return DetachedPartition(parent, partition) if parent and partition else None


def named_object(text: str) -> NamedObject | None:
    """What is made or dropped, of the kinds that no schema holds; None for any other statement."""
    read = Reader(text, _HEAD_TOKENS)
    for verb in ("CREATE", "DROP"):
        for kind in ("DATABASE", "TABLESPACE", "SUBSCRIPTION"):
            if read.words(verb.lower(), kind.lower()):
                read.words("if", "exists")
                name = read.name()
                return NamedObject(verb, kind, name) if name else None
    return None
