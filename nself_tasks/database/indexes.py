"""What the catalog says of the indexes that a statement outside a transaction makes or drops.

Only the invalid index whose oid appeared during our own statement, and that nobody is building, is
ever dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_tasks.errors import MigrationFailed
from nself_tasks.migrations.targets import dropped_index, index_target, stored_name

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

_INVALID = (
    "SELECT i.indexrelid::bigint FROM pg_catalog.pg_index i WHERE NOT i.indisvalid"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits h WHERE h.inhparent = i.indexrelid)"
)


def facts_before(connection: Conn, text: str) -> dict[str, Any]:
    """Give what a later run needs to tell whether the statement did its work.

    The session's search_path must be the one that the statement will see.
    """
    target = index_target(text)
    if target is not None:
        row = connection.execute(
            "SELECT pg_catalog.to_regclass(%s)::oid::bigint,"
            " (SELECT pg_catalog.array_agg(indexrelid::bigint) FROM pg_catalog.pg_index"
            "  WHERE indrelid = pg_catalog.to_regclass(%s))",
            (target.table, target.table),
        ).fetchone()
        return {
            "kind": "create index",
            "name": stored_name(target.name) if target.name else None,
            "table": row[0] if row else None,
            "indexes": (row[1] if row else None) or [],
        }
    dropped = dropped_index(text)
    if dropped is not None:
        row = connection.execute(
            "SELECT pg_catalog.to_regclass(%s)::oid::bigint", (dropped,)
        ).fetchone()
        return {"kind": "drop index", "name": dropped, "index": row[0] if row else None}
    if text.lstrip()[:7].upper() == "REINDEX":
        rows = connection.execute(_INVALID).fetchall()
        return {"kind": "reindex", "invalid": [row[0] for row in rows]}
    return {"kind": "other"}


def appeared(connection: Conn, facts: dict[str, Any]) -> list[tuple[int, str, bool]]:
    """Give (oid, name, valid) of the indexes that came to the table since the facts were taken."""
    if facts.get("table") is None:
        return []
    rows = connection.execute(
        "SELECT i.indexrelid::bigint, c.relname, i.indisvalid FROM pg_catalog.pg_index i"
        " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = %s::bigint::oid AND i.indexrelid::bigint <> ALL (%s::bigint[])",
        (facts["table"], facts["indexes"]),
    ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def builder(connection: Conn, oid: int) -> int | None:
    """Give the backend that is building this index right now."""
    row = connection.execute(
        "SELECT pid FROM pg_catalog.pg_stat_progress_create_index"
        " WHERE index_relid = %s::bigint::oid AND pid <> pg_catalog.pg_backend_pid()",
        (oid,),
    ).fetchone()
    if row is None:
        # The progress view names the index late; whoever builds it holds a lock on it from birth.
        row = connection.execute(
            "SELECT pid FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND granted"
            " AND relation = %s::bigint::oid AND pid <> pg_catalog.pg_backend_pid()"
            " AND mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'AccessExclusiveLock')",
            (oid,),
        ).fetchone()
    return row[0] if row else None


def drop_leftovers(
    connection: Conn, facts: dict[str, Any], *, hinted: str | None = None
) -> list[str]:
    """Drop the invalid indexes that a failed statement of ours left; gives their names."""
    if facts.get("kind") == "create index":
        wanted = facts["name"] or hinted
        found = [
            oid
            for oid, name, valid in appeared(connection, facts)
            if not valid and wanted in (None, name)
        ]
    elif facts.get("kind") == "reindex":
        rows = connection.execute(_INVALID).fetchall()
        found = [
            row[0]
            for row in rows
            if row[0] not in facts["invalid"] and "_cc" in _name(connection, row[0])
        ]
    else:
        found = []
    dropped = []
    for oid in found:
        if builder(connection, oid) is None:
            dropped.append(drop_invalid(connection, oid))
    return dropped


def drop_invalid(connection: Conn, oid: int) -> str:
    """Drop one index by its oid, without blocking writers; gives its name."""
    name = _name(connection, oid)
    connection.execute("SET lock_timeout = 0")
    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    return name


def _name(connection: Conn, oid: int) -> str:
    row = connection.execute(
        "SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname) FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = %s::bigint::oid",
        (oid,),
    ).fetchone()
    return str(row[0]) if row else ""


def require_valid(connection: Conn, text: str) -> None:
    """Raise MigrationFailed when IF NOT EXISTS was satisfied by an invalid index.

    Such an index is not used by queries; taking it for success would hide that for ever.
    """
    target = index_target(text)
    if target is None or target.name is None or not target.if_not_exists:
        return
    schema = target.table.rsplit(".", 1)[0] + "." if "." in target.table else ""
    row = connection.execute(
        "SELECT i.indisvalid FROM pg_catalog.pg_index i"
        " WHERE i.indexrelid = pg_catalog.to_regclass(%s)",
        (schema + target.name if "." not in target.name else target.name,),
    ).fetchone()
    if row is not None and not row[0]:
        raise MigrationFailed(
            f"the index {target.name} is there but invalid: an earlier build of it failed or is"
            " still running, and IF NOT EXISTS keeps it as it is",
            hint=f"drop it (`DROP INDEX CONCURRENTLY {target.name}`) when nobody is building it,"
            " then run again",
        )
