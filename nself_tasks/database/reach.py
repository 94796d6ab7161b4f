"""What really goes when a statement drops something: the catalog's dependencies are followed.

Without CASCADE only what belongs to a thing goes with it (partitions, owned sequences); with it all
that depends on it. No lock is taken: only the catalog is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nself_tasks.database.questions import ask, literal
from nself_tasks.migrations.reader import stored_name, stored_parts

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.migrations.losses import Loss

_KINDS = {
    "r": "table",
    "p": "table",
    "f": "foreign table",
    "m": "materialized view",
    "v": "view",
    "S": "sequence",
}

_DROPPED = """
WITH RECURSIVE named(i, kind, nsp, name, col, follow) AS (VALUES {values}),
start(i, classid, objid, objsubid, follow) AS (
  SELECT n.i, 'pg_catalog.pg_class'::regclass::oid, c.oid, coalesce(a.attnum, 0)::int, n.follow
  FROM named n JOIN pg_catalog.pg_class c ON n.kind IN ('relation', 'column', 'rows')
    AND c.relname = n.name AND c.relkind IN ('r', 'p', 'f', 'm', 'v', 'S')
  JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = n.col AND a.attnum > 0
  WHERE (n.col IS NULL OR a.attnum IS NOT NULL)
    AND CASE WHEN n.nsp IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE s.nspname = n.nsp
    END
  UNION ALL
  SELECT n.i, 'pg_catalog.pg_type'::regclass, t.oid, 0, n.follow
  FROM named n JOIN pg_catalog.pg_type t ON n.kind = 'type' AND t.typname = n.name
  JOIN pg_catalog.pg_namespace s ON s.oid = t.typnamespace
  WHERE CASE WHEN n.nsp IS NULL THEN pg_catalog.pg_type_is_visible(t.oid) ELSE s.nspname = n.nsp
    END
  UNION ALL
  SELECT n.i, 'pg_catalog.pg_namespace'::regclass, s.oid, 0, n.follow
  FROM named n JOIN pg_catalog.pg_namespace s ON n.kind = 'schema' AND s.nspname = n.name
  UNION ALL
  SELECT n.i, 'pg_catalog.pg_extension'::regclass, e.oid, 0, n.follow
  FROM named n JOIN pg_catalog.pg_extension e ON n.kind = 'extension' AND e.extname = n.name
),
reached(i, classid, objid, objsubid, follow) AS (
  SELECT * FROM start
  UNION
  SELECT r.i, d.classid, d.objid, d.objsubid, r.follow
  FROM reached r CROSS JOIN LATERAL (
    SELECT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend d
    WHERE d.refclassid = r.classid AND d.refobjid = r.objid
      AND (r.objsubid = 0 OR d.refobjsubid = r.objsubid)
      AND (d.deptype IN ('a', 'i', 'P', 'S', 'e') OR (r.follow AND d.deptype = 'n'))
      AND NOT EXISTS (SELECT FROM named n WHERE n.i = r.i AND n.kind = 'rows')
    UNION ALL
    -- A view is found through its rule, which is a part of it.
    SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d
    WHERE d.classid = r.classid AND d.objid = r.objid AND d.deptype = 'i'
      AND r.classid = 'pg_catalog.pg_rewrite'::regclass
    UNION ALL
    -- TRUNCATE … CASCADE goes where foreign keys come from.
    SELECT 'pg_catalog.pg_class'::regclass, k.conrelid, 0 FROM pg_catalog.pg_constraint k
    WHERE k.contype = 'f' AND k.confrelid = r.objid AND r.follow
      AND EXISTS (SELECT FROM named n WHERE n.i = r.i AND n.kind = 'rows')
  ) d
)
SELECT r.i, coalesce(c.relkind::text, o.type), r.objid::int8, r.objsubid,
  coalesce(pg_catalog.quote_ident(s.nspname) || '.' || pg_catalog.quote_ident(c.relname),
    o.identity),
  pg_catalog.quote_ident(a.attname), c.reltuples::float8, c.relpages::int8,
  (SELECT h.inhparent::int8 FROM pg_catalog.pg_inherits h
   WHERE h.inhrelid = c.oid AND c.relispartition LIMIT 1),
  EXISTS (SELECT FROM start t WHERE t.i = r.i AND t.classid = r.classid AND t.objid = r.objid
    AND t.objsubid = r.objsubid)
FROM reached r
LEFT JOIN pg_catalog.pg_class c ON r.classid = 'pg_catalog.pg_class'::regclass AND c.oid = r.objid
LEFT JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = r.objsubid
  AND r.objsubid > 0
CROSS JOIN LATERAL pg_catalog.pg_identify_object(r.classid, r.objid, 0) o
WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v') OR (c.relkind = 'S' AND NOT EXISTS (
    -- A sequence of a column goes with it, and that is said.
    SELECT FROM pg_catalog.pg_depend d WHERE d.classid = r.classid AND d.objid = r.objid
      AND d.refclassid = r.classid AND d.deptype IN ('a', 'i')
      AND NOT EXISTS (SELECT FROM start t WHERE t.i = r.i AND t.objid = r.objid)))
  OR (c.oid IS NULL AND o.type IN {others}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid = r.objid
    AND r.classid = 'pg_catalog.pg_type'::regclass AND (t.typrelid <> 0 AND NOT EXISTS
      (SELECT FROM pg_catalog.pg_class k WHERE k.oid = t.typrelid AND k.relkind = 'c')
      OR t.typcategory = 'A')))
ORDER BY 1, 10 DESC, 5
"""

_OTHERS = "('type', 'domain', 'schema', 'extension', 'function', 'procedure', 'aggregate')"


class Reached(NamedTuple):
    """One thing that goes."""

    loss: Loss
    kind: str
    """table, column, materialized view, view, sequence, type, schema, function …"""
    relkind: str
    identity: str
    """With its schema, quoted where it has to be; of a column its table."""
    column: str | None
    estimate: float
    """Rows as of the last ANALYZE; below 0 where there was none."""
    pages: int
    named: bool
    """Whether the statement names it; else it goes with what is named."""
    parts: tuple[Reached, ...] = ()
    """The partitions of a table, all of which are counted with it."""


def reach(connection: Conn, losses: Sequence[Loss]) -> tuple[Reached, ...] | None:
    """Give what goes when these statements run, in one round trip; None where nobody may know.

    All losses have to be read under the same search path. What is not there gives nothing.
    """
    if not losses:
        return ()
    values = ", ".join(_value(i, loss) for i, loss in enumerate(losses))
    query = _DROPPED.format(values=values, others=_OTHERS)
    rows = ask(connection, query, settings=losses[0].path)
    if rows is None:
        return None
    found: list[Reached] = []
    for i, loss in enumerate(losses):
        found += _of_one(loss, [row for row in rows if row[0] == i])
    return tuple(found)


def _value(i: int, loss: Loss) -> str:
    schema, name = stored_parts(loss.name) or (None, "")
    column = stored_name(loss.column) if loss.column else None
    follow = "true" if loss.cascade else "false"
    said = ", ".join((literal(loss.kind), literal(schema), literal(name), literal(column)))
    return f"({i}, {said}, {follow})"


def _of_one(loss: Loss, rows: list[tuple[object, ...]]) -> list[Reached]:
    """Make of rows what a person is told: partitions and columns with their table, and no more."""
    whole = {row[2] for row in rows if not row[3]}
    found: dict[object, Reached] = {}
    parts: dict[object, list[Reached]] = {}
    for _, kind, oid, part_of, identity, column, estimate, pages, parent, named in rows:
        if part_of and oid in whole:
            continue
        one = Reached(
            loss,
            _said(loss, str(kind), part_of=bool(part_of)),
            str(kind),
            str(identity),
            str(column) if part_of else None,
            float(str(estimate)) if estimate is not None else -1,
            int(str(pages or 0)),
            bool(named),
        )
        if parent in whole:
            parts.setdefault(parent, []).append(one)
        else:
            found[oid, part_of] = one
    for oid, of_it in parts.items():
        if (oid, 0) in found:
            found[oid, 0] = found[oid, 0]._replace(parts=tuple(of_it))
    return list(found.values())


def _said(loss: Loss, kind: str, *, part_of: bool) -> str:
    if loss.kind == "rows":
        return "rows"
    return "column" if part_of else _KINDS.get(kind, kind)
