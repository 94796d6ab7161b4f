"""The one query that reads a whole schema: kind, name, oid, and its aspects as JSON."""

from __future__ import annotations

_ACL = "(SELECT pg_catalog.string_agg(a::text, ', ' ORDER BY a::text) FROM unnest({}) AS a)"
_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_t(oast|emp)'"
_FREE = (
    "NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = '{0}'::regclass"
    " AND e.objid = {1}.oid AND e.deptype = 'e')"
)

_RELATION_ACL = _ACL.format(
    "coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\","
    " c.relowner))"
)

_PARTS = (
    # What holds the others.
    f"""
    SELECT 'schema', n.nspname::text, n.oid::bigint, jsonb_build_object(
      'owner', n.nspowner::regrole::text,
      'grants', {_ACL.format("coalesce(n.nspacl, acldefault('n', n.nspowner))")})
    FROM pg_namespace AS n WHERE {_OURS} AND {_FREE.format("pg_namespace", "n")}
    """,
    # Tables, views, sequences; what is said of them only where they are that.
    f"""
    SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
             WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'composite type' ELSE 'table' END,
           c.oid::regclass::text, c.oid::bigint, jsonb_build_object(
      'kind', format('%s%s', c.relkind, c.relpersistence), 'options', c.reloptions::text,
      'options of large values',
        (SELECT t.reloptions::text FROM pg_class AS t WHERE t.oid = c.reltoastrelid),
      'owner', c.relowner::regrole::text,
      'grants', CASE WHEN c.relkind <> 'c' THEN {_RELATION_ACL} END,
      'row security', format('%s %s', c.relrowsecurity, c.relforcerowsecurity),
      'replica identity', c.relreplident, 'access method', am.amname, 'space', s.spcname,
      'partition', pg_get_expr(c.relpartbound, c.oid), 'partition key', pg_get_partkeydef(c.oid),
      'parents', (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                    FROM pg_inherits WHERE inhrelid = c.oid),
      'query', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
      'filled', CASE WHEN c.relkind = 'm' THEN c.relispopulated END,
      'numbers', (SELECT format('%s %s %s %s %s %s %s', q.seqtypid::regtype, q.seqstart,
                    q.seqincrement, q.seqmin, q.seqmax, q.seqcache, q.seqcycle)
                    FROM pg_sequence AS q WHERE q.seqrelid = c.oid),
      'belongs to', (SELECT format('%s.%s', d.refobjid::regclass, a.attname) FROM pg_depend AS d
                    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                    WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype IN ('a', 'i')
                      AND d.refclassid = 'pg_class'::regclass))
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_am AS am ON am.oid = c.relam
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND {_OURS}
      AND {_FREE.format("pg_class", "c")}
    """,
    # Columns, and in which order they are: that is what `SELECT *` and `INSERT` go by.
    f"""
    SELECT 'column', c.oid::regclass::text || '.' || quote_ident(a.attname), c.oid::bigint,
      jsonb_build_object('type', format_type(a.atttypid, a.atttypmod), 'not null', a.attnotnull,
      'default', pg_get_expr(d.adbin, d.adrelid), 'identity', nullif(a.attidentity, ''),
      'generated', nullif(a.attgenerated, ''),
      'collation', nullif(a.attcollation, t.typcollation)::regcollation::text,
      'storage', a.attstorage, 'options', a.attoptions::text,
      'compression', nullif(to_jsonb(a) ->> 'attcompression', ''),
      'grants', {_ACL.format("a.attacl")}, 'statistics', nullif(a.attstattarget, -1),
      'table', c.oid::regclass::text, 'place', a.attnum)
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_type AS t ON t.oid = a.atttypid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
      AND {_OURS} AND {_FREE.format("pg_class", "c")}
    """,
    f"""
    SELECT 'constraint', CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text
             ELSE k.contypid::regtype::text END || '.' || quote_ident(k.conname), k.oid::bigint,
      jsonb_build_object('definition', pg_get_constraintdef(k.oid), 'valid', k.convalidated)
    FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace
    WHERE k.contype <> 't' AND {_OURS} AND {_FREE.format("pg_constraint", "k")}
    """,
    f"""
    SELECT 'index', c.oid::regclass::text, c.oid::bigint, jsonb_build_object(
      'definition', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid,
      'clustered', i.indisclustered, 'replica identity', i.indisreplident)
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE {_OURS} AND {_FREE.format("pg_class", "c")}
    """,
    f"""
    SELECT 'trigger', t.tgrelid::regclass::text || '.' || quote_ident(t.tgname), t.oid::bigint,
      jsonb_build_object('definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled)
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND {_OURS}
    """,
    f"""
    SELECT 'rule', r.ev_class::regclass::text || '.' || quote_ident(r.rulename), r.oid::bigint,
      jsonb_build_object('definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled)
    FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
    JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND {_OURS}
    """,
    """
    SELECT 'policy', p.polrelid::regclass::text || '.' || quote_ident(p.polname), p.oid::bigint,
      jsonb_build_object('for', p.polcmd, 'permissive', p.polpermissive,
      'to', (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE r::regrole::text END, ', '
                               ORDER BY r::regrole::text) FROM unnest(p.polroles) AS r),
      'using', pg_get_expr(p.polqual, p.polrelid),
      'check', pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy AS p
    """,
    f"""
    SELECT 'function', p.oid::regprocedure::text, p.oid::bigint, jsonb_build_object(
      'definition', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid)
         ELSE (SELECT to_jsonb(g) - 'aggfnoid' FROM pg_aggregate AS g
                WHERE g.aggfnoid = p.oid)::text END,
      'owner', p.proowner::regrole::text,
      'grants', {_ACL.format("coalesce(p.proacl, acldefault('f', p.proowner))")})
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE {_OURS} AND {_FREE.format("pg_proc", "p")}
    """,
    f"""
    SELECT 'type', t.oid::regtype::text, t.oid::bigint, jsonb_build_object(
      'kind', t.typtype, 'base', nullif(format_type(t.typbasetype, t.typtypmod), '-'),
      'not null', t.typnotnull, 'default', t.typdefault, 'owner', t.typowner::regrole::text,
      'collation', CASE WHEN t.typtype = 'd' THEN nullif(t.typcollation, 0)::regcollation::text END,
      'labels', (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                   FROM pg_enum AS e WHERE e.enumtypid = t.oid),
      'range', (SELECT r.rngsubtype::regtype::text FROM pg_range AS r WHERE r.rngtypid = t.oid),
      'grants', {_ACL.format("coalesce(t.typacl, acldefault('T', t.typowner))")})
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r', 'm', 'b') AND NOT EXISTS (
        SELECT FROM pg_type AS el WHERE el.typarray = t.oid)
      AND {_OURS} AND {_FREE.format("pg_type", "t")}
    """,
    """
    SELECT 'extension', x.extname::text, x.oid::bigint, jsonb_build_object(
      'version', x.extversion, 'schema', x.extnamespace::regnamespace::text)
    FROM pg_extension AS x
    """,
    # Comments on whatever was made, by the server's own words for it.
    """
    SELECT 'comment', pg_describe_object(d.classoid, d.objoid, d.objsubid), 0::bigint,
      jsonb_build_object('text', d.description)
    FROM pg_description AS d WHERE d.objoid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend AS e
      WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
    """,
    """
    SELECT 'default grants', format('%s %s %s', a.defaclrole::regrole,
      nullif(a.defaclnamespace, 0)::regnamespace, a.defaclobjtype), 0::bigint,
      jsonb_build_object('grants', (SELECT string_agg(g::text, ', ' ORDER BY g::text)
                                      FROM unnest(a.defaclacl) AS g))
    FROM pg_default_acl AS a
    """,
    """
    SELECT 'setting', format('of %s%s', nullif(s.setrole, 0)::regrole,
      CASE s.setdatabase WHEN 0 THEN ' everywhere' END), 0::bigint,
      jsonb_build_object('values', s.setconfig::text) FROM pg_db_role_setting AS s
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    """,
    # Of roles what a draft's own role may change.
    """
    SELECT 'role', r.rolname::text, r.oid::bigint, jsonb_build_object(
      'password', CASE WHEN r.rolpassword IS NOT NULL THEN 'of its own' END,
      'valid until', nullif(r.rolvaliduntil, 'infinity'))
    FROM pg_authid AS r WHERE r.oid >= 16384
    """,
    """
    SELECT 'publication', p.pubname::text, p.oid::bigint, to_jsonb(p) - 'oid' || jsonb_build_object(
      'tables', (SELECT array_agg(r.prrelid::regclass::text ORDER BY r.prrelid::regclass::text)
                   FROM pg_publication_rel AS r WHERE r.prpubid = p.oid)::text,
      -- Older servers have neither filters nor lists of columns.
      'parts', (SELECT jsonb_agg(concat_ws(' ', j ->> 'schemaname', j ->> 'tablename',
                    (SELECT string_agg(x, ', ' ORDER BY x)
                       FROM jsonb_array_elements_text(nullif(j -> 'attnames', 'null')) AS x),
                    j ->> 'rowfilter') ORDER BY j ->> 'schemaname', j ->> 'tablename')
                  FROM (SELECT to_jsonb(v) AS j FROM pg_publication_tables AS v
                         WHERE v.pubname = p.pubname) AS published))
    FROM pg_publication AS p
    """,
    """
    SELECT 'statistics', format('%s.%s', s.stxnamespace::regnamespace, quote_ident(s.stxname)),
      s.oid::bigint, jsonb_build_object('definition', pg_get_statisticsobjdef(s.oid))
    FROM pg_statistic_ext AS s
    """,
    # Of the rare kinds, that they are there.
    *(
        f"SELECT '{kind}', pg_describe_object('{table}'::regclass, o.oid, 0), o.oid::bigint,"
        f" '{{}}'::jsonb FROM {table} AS o WHERE o.oid >= 16384 AND {_FREE.format(table, 'o')}"
        for kind, table in (
            ("operator", "pg_operator"), ("operator class", "pg_opclass"),
            ("operator family", "pg_opfamily"), ("cast", "pg_cast"), ("collation", "pg_collation"),
            ("conversion", "pg_conversion"), ("text search", "pg_ts_config"),
            ("dictionary", "pg_ts_dict"), ("server", "pg_foreign_server"),
            ("event trigger", "pg_event_trigger"), ("language", "pg_language"),
            ("transform", "pg_transform"),
        )
    ),
    "SELECT 'large object', o.oid::text, 0::bigint, '{}'::jsonb FROM pg_largeobject_metadata AS o",
)  # fmt: skip
QUERY = "\nUNION ALL\n".join(_PARTS)
"""Without what belongs to an extension, and without what the server brings along."""
