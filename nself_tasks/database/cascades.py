"""What else a DELETE takes away: rows by ON DELETE CASCADE, links by SET NULL and SET DEFAULT.

    DELETE FROM p   →   rows of c, which refer to them   →   rows of d, which refer to those …

The rows are found by the foreign keys in the catalog and counted by one query that only reads. A
trigger may do more, which is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

from nself_tasks.database.questions import Rows, ask, literal

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.migrations.losses import Loss

_IDENTITY = "pg_catalog.quote_ident({0}n.nspname) || '.' || pg_catalog.quote_ident({0}.relname)"
_ROOT = f"""
SELECT r.oid::int8, r.relkind::text, {_IDENTITY.format("r")}
FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
WHERE r.oid = pg_catalog.to_regclass({{name}})
"""
_COLUMNS = """(SELECT pg_catalog.array_agg(pg_catalog.quote_ident(a.attname) ORDER BY x.n)
  FROM pg_catalog.unnest({0}) WITH ORDINALITY x(att, n)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = {1} AND a.attnum = x.att)"""
# The copies of a foreign key for the partitions of the referring table are left out, those for the
# partitions of the other one are not: a DELETE may name a partition.
_EDGES = f"""
SELECT k.confrelid::int8, k.conrelid::int8, {_IDENTITY.format("c")}, k.confdeltype::text,
  {_COLUMNS.format("k.conkey", "k.conrelid")}, {_COLUMNS.format("k.confkey", "k.confrelid")}
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_constraint above ON above.oid = k.conparentid
WHERE k.contype = 'f' AND k.confdeltype IN ('c', 'n', 'd')
  AND (above.oid IS NULL OR above.confrelid <> k.confrelid)
ORDER BY k.oid
"""
_DELETE, _UPDATE = 8, 16
"""The bits of pg_trigger.tgtype."""
_TRIGGERS = f"""
SELECT coalesce(pg_catalog.pg_partition_root(t.tgrelid), t.tgrelid)::int8, t.tgname, t.tgtype,
  {_IDENTITY.format("c")}
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgparentid = 0
  AND t.tgtype & {_DELETE | _UPDATE} <> 0
ORDER BY t.tgname
"""


class Edge(NamedTuple):
    """A foreign key that acts when a row is deleted."""

    parent: int
    child: int
    identity: str
    """Of the child."""
    action: str
    columns: list[str]
    keys: list[str]


class Beside(NamedTuple):
    """What goes beside the rows that a DELETE names."""

    kind: str
    """rows, links or unknown."""
    name: str
    rows: int | None
    reason: str | None


@dataclass(slots=True)
class _Gone:
    """The tables that lose rows, each as one part of a query, and what is counted in it."""

    root: int
    tables: dict[int, str]
    parts: list[str] = field(default_factory=list)
    counts: list[tuple[str, str, int, str]] = field(default_factory=list)
    """Kind, identity, table, and the count as SQL."""


def beside(connection: Conn, loss: Loss, *, seconds: float) -> tuple[Beside, ...]:
    """Give what goes with the rows of a DELETE; what cannot be counted is `unknown`."""
    root = ask(connection, _ROOT.format(name=literal(loss.name)), settings=loss.path)
    edges = [Edge(*row) for row in ask(connection, _EDGES) or []]
    triggers = ask(connection, _TRIGGERS)
    if not root or triggers is None:
        return ()
    [(oid, relkind, identity)] = root
    if relkind == "v":
        reason = f"{identity} is a view: what hangs on the rows behind it is not followed"
        return (Beside("unknown", identity, None, reason),)
    try:
        gone = _gone(oid, identity, loss.query, edges)
    except CycleError:
        reason = "its foreign keys with ON DELETE CASCADE lead in a circle"
        return (Beside("unknown", identity, None, reason), *_fired([(oid, _DELETE)], triggers))
    counted = _counted(connection, loss, gone, seconds)
    fires = [(oid, _DELETE)]
    for (kind, _, table, _), one in zip(gone.counts, counted, strict=True):
        if one.rows != 0:
            fires.append((table, _DELETE if kind == "rows" else _UPDATE))
    return (*(one for one in counted if one.rows != 0), *_fired(fires, triggers))


def _counted(connection: Conn, loss: Loss, gone: _Gone, seconds: float) -> list[Beside]:
    if not gone.counts:
        return []
    parts = ",\n".join(gone.parts)
    asked = ", ".join(f"({count})" for *_, count in gone.counts)
    rows = ask(
        connection, f"WITH RECURSIVE {parts}\nSELECT {asked}", settings=loss.path, seconds=seconds
    )
    numbers = rows[0] if rows else (None,) * len(gone.counts)
    reason = None if rows else "the server did not count its rows in time, or may not"
    return [
        Beside(kind, identity, number, reason)
        for (kind, identity, _, _), number in zip(gone.counts, numbers, strict=True)
    ]


def _fired(fires: Sequence[tuple[int, int]], triggers: Rows) -> list[Beside]:
    return [
        Beside("unknown", str(identity), None, f"the trigger `{name}` of {identity} may do more")
        for table, name, bits, identity in triggers
        if any(table == oid and bits & event for oid, event in fires)
    ]


def _gone(root: int, identity: str, query: str, edges: Sequence[Edge]) -> _Gone:
    """Give the tables that lose rows. Raises CycleError where a circle leads through several."""
    gone = _Gone(root, {root: identity})
    order = TopologicalSorter[int]({root: ()})
    queue = [root]
    for table in queue:
        for edge in edges:
            if edge.parent == table and edge.action == "c":
                if edge.child not in gone.tables:
                    gone.tables[edge.child] = edge.identity
                    queue.append(edge.child)
                if edge.child != table:
                    order.add(edge.child, table)
    for table in order.static_order():
        _add(gone, table, query, [edge for edge in edges if edge.parent in gone.tables])
    for edge in edges:
        if edge.parent in gone.tables and edge.action != "c":
            _add_links(gone, edge)
    return gone


def _add(gone: _Gone, table: int, query: str, edges: Sequence[Edge]) -> None:
    """Add the rows that one table loses: those named, those whose parents go, their own heirs."""
    name = gone.tables[table]
    into = [edge for edge in edges if edge.child == table and edge.action == "c"]
    parents = " OR ".join(_refers(edge) for edge in into if edge.parent != table)
    start = query if table == gone.root else f"{name} WHERE {parents}"
    found = f"SELECT tableoid AS nself_t, ctid AS nself_i FROM {start}\n"
    if heirs := [edge for edge in into if edge.parent == table]:
        joined = " OR ".join(f"({_joined(edge)})" for edge in heirs)
        gone.parts.append(f"named_{table} AS ({found})")
        found = (
            f"SELECT nself_t, nself_i FROM named_{table} UNION SELECT c.tableoid, c.ctid"
            f" FROM found_{table} f JOIN {name} p ON p.tableoid = f.nself_t AND p.ctid = f.nself_i"
            f" JOIN {name} c ON {joined}"
        )
    gone.parts.append(f"found_{table}(nself_t, nself_i) AS ({found})")
    gone.parts.append(
        f"gone_{table} AS (SELECT x.* FROM {name} x WHERE (x.tableoid, x.ctid) IN"
        f" (SELECT nself_t, nself_i FROM found_{table}))"
    )
    count = f"SELECT count(*) FROM found_{table}"
    if table == gone.root and heirs:
        count = f"SELECT count(*) - (SELECT count(*) FROM named_{table}) FROM found_{table}"
    if table != gone.root or heirs:
        gone.counts.append(("rows", name, table, count))


def _add_links(gone: _Gone, edge: Edge) -> None:
    count = f"SELECT count(*) FROM {edge.identity} WHERE {_refers(edge)}"
    if edge.child in gone.tables:
        count += f" AND (tableoid, ctid) NOT IN (SELECT nself_t, nself_i FROM found_{edge.child})"
    gone.counts.append(("links", edge.identity, edge.child, count))


def _refers(edge: Edge) -> str:
    columns, keys = ", ".join(edge.columns), ", ".join(edge.keys)
    return f"({columns}) IN (SELECT {keys} FROM gone_{edge.parent})"


def _joined(edge: Edge) -> str:
    pairs = zip(edge.columns, edge.keys, strict=True)
    return " AND ".join(f"c.{column} = p.{key}" for column, key in pairs)
