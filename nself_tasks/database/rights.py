"""Whether the role that would run statements has the rights that they need.

The server's own rules are asked for: whose membership counts (`pg_has_role` with USAGE, so that
superusers and owning groups pass), that the owner of a schema may drop what is in it, and that
SET ROLE asks the session's user.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from nself_tasks.database.questions import ask, literal

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.migrations.needs import Need

_MISSING = """
WITH need(i, privilege, kind, nsp, name, alone, missing, data) AS (VALUES {values}),
thing AS (
  SELECT n.i, n.privilege, pg_catalog.format('%s.%s', s.nspname, c.relname) AS said,
    c.relowner AS owner, s.nspowner AS also, c.oid
  FROM need n JOIN pg_catalog.pg_class c ON n.kind = 'relation' AND c.relname = n.name
  JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
  WHERE CASE WHEN n.nsp IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE s.nspname = n.nsp
    END AND NOT (n.alone AND (c.relkind IN ('S', 'i', 'I') OR EXISTS (
      SELECT FROM pg_catalog.pg_class o WHERE o.relname = c.relname AND o.oid <> c.oid)))
  UNION ALL
  SELECT n.i, n.privilege, pg_catalog.format('%s.%s', s.nspname, t.typname), t.typowner,
    s.nspowner, 0::oid
  FROM need n JOIN pg_catalog.pg_type t ON n.kind = 'type' AND t.typname = n.name
  JOIN pg_catalog.pg_namespace s ON s.oid = t.typnamespace
  WHERE CASE WHEN n.nsp IS NULL THEN pg_catalog.pg_type_is_visible(t.oid) ELSE s.nspname = n.nsp
    END AND NOT (n.alone AND (t.typtype = 'm' OR t.typcategory = 'A' OR EXISTS (
      SELECT FROM pg_catalog.pg_type o WHERE o.typname = t.typname AND o.oid <> t.oid)))
  UNION ALL
  SELECT n.i, n.privilege, s.nspname, s.nspowner, s.nspowner, 0::oid
  FROM need n JOIN pg_catalog.pg_namespace s ON n.kind = 'schema' AND s.nspname = n.name
  WHERE n.privilege IN ('own', 'drop')
),
lacking(i, said, owner, role) AS (
  SELECT i, said, pg_catalog.pg_get_userbyid(owner), current_user FROM thing
  WHERE NOT pg_catalog.pg_has_role(owner, 'USAGE')
    AND NOT (privilege = 'drop' AND pg_catalog.pg_has_role(also, 'USAGE'))
    AND NOT (privilege = 'maintain' AND {maintains})
  UNION ALL
  SELECT n.i, s.nspname, pg_catalog.pg_get_userbyid(s.nspowner), current_user
  FROM need n JOIN pg_catalog.pg_namespace s ON n.privilege = 'create'
    AND s.nspname = coalesce(n.nsp, pg_catalog.current_schema())
  WHERE NOT pg_catalog.has_schema_privilege(s.oid, 'CREATE')
    AND NOT (n.missing AND EXISTS (SELECT FROM pg_catalog.pg_class c
      WHERE c.relname = n.name AND c.relnamespace = s.oid))
  UNION ALL
  SELECT n.i, pg_catalog.current_database(), pg_catalog.pg_get_userbyid(d.datdba), current_user
  FROM need n JOIN pg_catalog.pg_database d ON n.privilege = 'create schema'
    AND d.datname = pg_catalog.current_database()
  WHERE NOT pg_catalog.has_database_privilege(d.oid, 'CREATE')
    AND NOT (n.missing AND pg_catalog.to_regnamespace(pg_catalog.quote_ident(n.name)) IS NOT NULL)
  UNION ALL
  SELECT n.i, r.rolname, r.rolname, session_user
  FROM need n JOIN pg_catalog.pg_roles r ON n.kind = 'role' AND r.rolname = n.name
  WHERE NOT pg_catalog.pg_has_role(session_user, r.oid, {member})
)
SELECT i, said, owner, role FROM lacking l JOIN need USING (i)
WHERE {undisturbed} AND NOT (data AND {own_functions})
ORDER BY 1
"""

# Triggers, views and defaults call functions; those of the server and its extensions change no
# rights. One of the database's own may.
_OWN_FUNCTIONS = """EXISTS (SELECT FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_language g ON g.oid = p.prolang WHERE g.lanname NOT IN ('internal', 'c')
  AND p.pronamespace <> ALL ('{pg_catalog,information_schema}'::pg_catalog.regnamespace[]))"""

# REINDEX is allowed to whom MAINTAIN is granted, on the table where an index is named.
_MAINTAINS = """pg_catalog.has_table_privilege(coalesce((SELECT x.indrelid
  FROM pg_catalog.pg_index x WHERE x.indexrelid = thing.oid), thing.oid), 'MAINTAIN')"""

# An event trigger may give away, or take, what a statement of the same run has touched.
_UNDISTURBED = "NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D')"


class Missing(NamedTuple):
    """A right that a statement needs, and that the role which would run it has not."""

    need: Need
    thing: str
    owner: str
    role: str


def missing(connection: Conn, needs: Sequence[Need]) -> tuple[Missing, ...]:
    """Give the rights that are missing; one round trip for all statements under the same settings.

    Where the server refuses to answer, or the file's own SET ROLE fails, nothing is said.
    """
    found: list[Missing] = []
    for settings, group in groupby(needs, key=lambda need: need.settings):
        asked = list(group)
        values = ", ".join(
            f"({i}, {literal(n.right)}, {literal(n.kind)}, {literal(n.schema)}, {literal(n.name)},"
            f" {n.only}, {n.missing}, {n.data})"
            for i, n in enumerate(asked)
        )
        query = _query(values, connection.info.server_version // 10_000)
        rows = ask(connection, query, settings=(*settings.path, *settings.role)) or []
        found += [
            Missing(asked[i], str(thing), str(owner), str(role)) for i, thing, owner, role in rows
        ]
    return tuple(found)


def _query(values: str, major: int) -> str:
    return _MISSING.format(
        values=values,
        undisturbed=_UNDISTURBED,
        own_functions=_OWN_FUNCTIONS,
        maintains=_MAINTAINS if major >= 17 else "false",
        # From 16 on a membership may be granted without the right to SET ROLE.
        member="'SET'" if major >= 16 else "'MEMBER'",
    )
