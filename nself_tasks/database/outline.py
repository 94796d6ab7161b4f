"""Reads the shape of a schema for a draft: tables, columns, rules, signatures; never a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_tasks.database import history
from nself_tasks.database.connection import connect
from nself_tasks.database.questions import Rows, ask
from nself_tasks.database.target import open_for_planning
from nself_tasks.drafting.tables import Column, Outline, Table
from nself_tasks.errors import unexpected
from nself_tasks.model import Target

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

SECONDS = 10.0
"""2,000 tables with 20,000 columns take under one."""

_OURS = """
    n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'hdb_catalog', 'hdb_views')
    AND n.nspname !~ '^pg_(temp|toast_temp)_'
"""

_TABLES = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text,
       CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                      WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table'
                      ELSE 'table' END,
       c.relrowsecurity, pg_catalog.obj_description(c.oid, 'pg_class')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND {_OURS}
   AND NOT (n.nspname = 'public' AND c.relname LIKE '\\_nself\\_migration%')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 2, 3
"""

_COLUMNS = """
SELECT a.attrelid::bigint, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity::text,
       a.attgenerated::text, pg_catalog.col_description(a.attrelid, a.attnum)
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ('{oids}'::oid[])
 ORDER BY a.attrelid, a.attnum
"""

_RULES = """
SELECT conrelid::bigint, pg_catalog.quote_ident(conname) || ' '
         || pg_catalog.pg_get_constraintdef(oid, true),
       nullif(confrelid, 0)::bigint, 1
  FROM pg_catalog.pg_constraint WHERE contype <> 'n' AND conrelid = ANY ('{oids}'::oid[])
UNION ALL
SELECT i.indrelid::bigint, pg_catalog.pg_get_indexdef(i.indexrelid), NULL, 2
  FROM pg_catalog.pg_index i WHERE i.indrelid = ANY ('{oids}'::oid[])
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid)
UNION ALL
SELECT p.polrelid::bigint, 'policy ' || pg_catalog.quote_ident(p.polname) || ' for '
         || CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
                          WHEN 'd' THEN 'delete' ELSE 'all' END
         || coalesce(' using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', '')
         || coalesce(' with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')',
                     ''), NULL, 3
  FROM pg_catalog.pg_policy p WHERE p.polrelid = ANY ('{oids}'::oid[])
UNION ALL
SELECT t.tgrelid::bigint, 'trigger ' || pg_catalog.quote_ident(t.tgname) || ' executes '
         || t.tgfoid::regproc::text, NULL, 4
  FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND t.tgrelid = ANY ('{oids}'::oid[])
 ORDER BY 1, 4, 2
"""

_TYPES = f"""
SELECT 'type ' || t.oid::regtype::text || ' enum ('
         || pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', '
                                  ORDER BY e.enumsortorder) || ')'
  FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE {_OURS} GROUP BY t.oid ORDER BY 1 LIMIT 200
"""

_FUNCTIONS = f"""
SELECT 'function ' || p.oid::regprocedure::text || ' returns '
         || pg_catalog.format_type(p.prorettype, NULL)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE {_OURS} AND p.prokind = 'f'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass
                    AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 1 LIMIT 200
"""

_EXTENSIONS = "SELECT extname::text FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'"


def read_target(target: Target, root: Path) -> tuple[Outline | None, set[int]]:
    """Give the shape of the target's schema and the numbers of its applied migrations.

    None where there is no database yet, or it refuses to answer. Raises ConnectionFailed.
    """
    import psycopg

    with open_for_planning(target, root) as url:
        if url is None:
            return None, set()
        connection = connect(url, application="nself-migrate generate", read_only=True)
        try:
            return read_outline(connection), {row.number for row in history.read(connection).rows}
        except psycopg.Error as error:
            raise unexpected(error) from error
        finally:
            connection.close()


def read_outline(connection: Conn) -> Outline | None:
    """Give the shape of the whole schema; None where the server refuses to answer.

    Raises psycopg.OperationalError for a connection that is lost.
    """
    found = ask(connection, _TABLES, seconds=SECONDS)
    if found is None:
        return None
    oids = "{" + ",".join(str(row[0]) for row in found) + "}"
    columns = ask(connection, _COLUMNS.format(oids=oids), seconds=SECONDS)
    rules = ask(connection, _RULES.replace("{oids}", oids), seconds=SECONDS)
    if columns is None or rules is None:
        return None
    return Outline(
        tuple(_tables(found, columns, rules)),
        types=_listed(connection, _TYPES),
        functions=_listed(connection, _FUNCTIONS),
        extensions=_listed(connection, _EXTENSIONS),
        server=f"PostgreSQL {connection.info.server_version // 10000}",
        source="the database",
    )


def _tables(found: Rows, columns: Rows, rules: Rows) -> Iterator[Table]:
    names = {row[0]: f"{row[1]}.{row[2]}" for row in found}
    columns_of, rules_of = _grouped(columns), _grouped(rules)
    for oid, schema, name, kind, row_security, comment in found:
        of_it = rules_of.get(oid, [])
        yield Table(
            schema,
            name,
            kind,
            tuple(_column(row) for row in columns_of.get(oid, [])),
            rules=tuple(row[1] for row in of_it),
            references=tuple(names[row[2]] for row in of_it if row[2] in names),
            row_security=row_security,
            comment=comment,
        )


def _column(row: tuple[Any, ...]) -> Column:
    _, name, type_, not_null, default, identity, generated, comment = row
    extra = ""
    if identity:
        extra = f"generated {'always' if identity == 'a' else 'by default'} as identity"
    if generated:
        extra, default = f"generated always as ({default}) {_KEPT[generated]}", None
    return Column(name, type_, not_null, default, extra, comment)


_KEPT = {"s": "stored", "v": "virtual"}


def _grouped(rows: Rows) -> dict[int, Rows]:
    found: dict[int, Rows] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _listed(connection: Conn, query: str) -> tuple[str, ...]:
    return tuple(row[0] for row in ask(connection, query, seconds=SECONDS) or ())
