"""What a statement is to a transaction, read from its first words.

The list is what Postgres 15 to 18 refuse in a transaction block (25001), tried on real servers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from nself_tasks.migrations.lexer import tokens
from nself_tasks.migrations.statements import copies_through_client
from nself_tasks.migrations.targets import (
    detached_partition,
    dropped_index,
    index_target,
    named_object,
)
from nself_tasks.model import Category

__all__ = [
    "classify",
    "detached_partition",
    "dropped_index",
    "index_target",
    "named_object",
    "refusal",
]

# Enough for the longest head: ALTER TABLE IF EXISTS ONLY a.b.c DETACH PARTITION d.e.f CONCURRENTLY.
_HEAD_TOKENS = 24


def classify(text: str) -> tuple[Category, str | None]:
    """The category of one statement, and why it is not an ordinary one."""
    head = _head(text)
    first = head[0] if head else ""
    if (alone := _ALONE.get(first)) and (reason := alone(head, text)):
        return Category.STANDALONE, reason
    if first in ("call", "do"):
        return Category.UNDECIDABLE, f"{first.upper()} may commit by itself"
    if first == "reindex":
        return Category.UNDECIDABLE, "REINDEX of a partitioned table or index"
    if reason := _session(head, text):
        return Category.SESSION, reason
    return Category.TRANSACTIONAL, None


def refusal(text: str) -> str | None:
    """Why no migration may hold this statement and what to do instead, or None where it may."""
    head = _head(text)
    if name := _transaction_control(head):
        return (
            f"{name} is transaction control: delete it, "
            "`nself migrate` begins and commits by itself"
        )
    if head[:2] == ["discard", "all"]:
        return "DISCARD ALL would drop the lock that keeps other runs out: RESET what you set"
    if name := _transaction_setting(head):
        return f"{name} would keep the migration from being recorded: delete it"
    if head[:1] == ["copy"] and copies_through_client(text, "to"):
        return "COPY … TO stdout has no reader in a migration: delete it"
    return None


def _head(text: str) -> list[str]:
    return [token.lower() for token in islice(tokens(text), _HEAD_TOKENS)]


def _create(head: list[str], text: str) -> str | None:
    kind = head[1:2]
    if _without(head, "unique")[:3] == ["create", "index", "concurrently"]:
        return "CREATE INDEX CONCURRENTLY"
    if kind == ["subscription"]:
        made = _on(_option(text, "connect")) and _on(_option(text, "create_slot"))
        return "CREATE SUBSCRIPTION with a replication slot" if made else None
    return f"CREATE {kind[0].upper()}" if kind in (["database"], ["tablespace"]) else None


def _drop(head: list[str], _: str) -> str | None:
    if head[1:3] == ["index", "concurrently"]:
        return "DROP INDEX CONCURRENTLY"
    kind = "".join(head[1:2])
    return f"DROP {kind.upper()}" if kind in ("database", "tablespace", "subscription") else None


def _alter(head: list[str], text: str) -> str | None:
    match head[1:]:
        case ["system", *_]:
            return "ALTER SYSTEM"
        case ["database", _, "set", "tablespace", *_]:
            return "ALTER DATABASE … SET TABLESPACE"
        case ["subscription", _, *action]:
            return _alter_subscription(action, text)
        case ["table", *rest] if "detach" in rest and rest[-1] == "concurrently":
            return "ALTER TABLE … DETACH PARTITION … CONCURRENTLY"
        case _:
            return None


def _alter_subscription(action: list[str], text: str) -> str | None:
    match action:
        case ["refresh", *_]:
            return "ALTER SUBSCRIPTION … REFRESH"
        case ["set" | "add" | "drop" as verb, "publication", *_]:
            refreshed = _on(_option(text, "refresh"))
            return f"ALTER SUBSCRIPTION … {verb.upper()} PUBLICATION" if refreshed else None
        case ["set", "(", *_] if _option(text, "failover") is not None:
            return "ALTER SUBSCRIPTION … SET (failover)"
        case _:
            return None


def _reindex(head: list[str], text: str) -> str | None:
    after = head.index(")") + 1 if head[1:2] == ["("] and ")" in head else 1
    kind, more = "".join(head[after : after + 1]), head[after + 1 : after + 2]
    listed = _option(text, "concurrently") if after > 1 else None
    if more == ["concurrently"] or (listed is not None and _on(listed)):
        return "REINDEX CONCURRENTLY"
    return f"REINDEX {kind.upper()}" if kind in ("schema", "database", "system") else None


def _cluster(head: list[str], _: str) -> str | None:
    rest = head[1:]
    if rest[:1] == ["("] and ")" in rest:
        rest = rest[rest.index(")") + 1 :]
    return "CLUSTER of every table" if rest in ([], ["verbose"]) else None


_ALONE: dict[str, Callable[[list[str], str], str | None]] = {
    "create": _create,
    "drop": _drop,
    "alter": _alter,
    "reindex": _reindex,
    "cluster": _cluster,
    "vacuum": lambda _head, _text: "VACUUM",
}


def _session(head: list[str], text: str) -> str | None:
    match head:
        case ["set", "local" | "constraints", *_]:
            return None
        case ["set" | "reset" as verb, *_]:
            return verb.upper()
    called = _without(_without(head, "pg_catalog"), ".")
    if called[:3] != ["select", "set_config", "("]:
        return None
    call = [token.lower() for token in tokens(text)]
    # The third argument says whether it is for this transaction only.
    alone = call[-1] == ")" and call.count("(") == call.count(")") == 1 and "from" not in call
    return "set_config()" if alone and call[-2] in ("false", "'f'", "'false'") else None


def _transaction_control(head: list[str]) -> str | None:
    match head:
        case ["begin" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release", *_]:
            prepared = head[1:2] == ["prepared"]
            return head[0].upper() + (" PREPARED" if prepared else "")
        case [("start" | "prepare" | "set") as verb, "transaction", *_]:
            return f"{verb.upper()} TRANSACTION"
        case ["set", "local" | "session", "transaction", *_]:
            return "SET TRANSACTION"
        case ["set", "session", "characteristics", *_]:
            return "SET SESSION CHARACTERISTICS"
        case _:
            return None


def _transaction_setting(head: list[str]) -> str | None:
    """`SET transaction_read_only = on` in its spellings; pg_dumpall writes the harmless `off`."""
    match _without(_without(head, "local"), "session"):
        case ["set", "transaction_isolation", *_]:
            return "SET transaction_isolation"
        case ["set", "transaction_read_only" | "default_transaction_read_only" as name, _, value]:
            return f"SET {name}" if _on(value) and value != "default" else None
        case _:
            return None


def _without(head: list[str], word: str) -> list[str]:
    return [*head[:1], *head[2:]] if head[1:2] == [word] else head


def _option(text: str, name: str) -> str | None:
    """The value of an option in parentheses, `true` where it stands without one."""
    words = [token.lower() for token in tokens(text)]
    for at, word in enumerate(words):
        if word == name and words[at - 1] in ("(", ","):
            value = words[at + 1] if at + 1 < len(words) else ")"
            if value == "=" and at + 2 < len(words):
                value = words[at + 2]
            return "true" if value in (")", ",") else value
    return None


def _on(value: str | None) -> bool:
    return value is None or value.strip("'") not in ("false", "off", "0", "no", "f", "n")
