"""`nself migrate`: SQL migrations and project upgrades as a graph of doit tasks.

    argv ─► settings ─► commands ─► pipeline ─► Report ─► text, JSON
                                       │
          migrations (PURE) ── files ──┤
          database ── _nself_migrations ┘

The database is the truth about what is applied; everything doit remembers is a cache.
"""

__version__ = "0.1.0"
