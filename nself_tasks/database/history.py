"""The schema history `public._nself_migrations`: its tables, reading it, writing its rows.

Every name is schema-qualified: a migration may have emptied `search_path` before a row is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_tasks.database.history_tables import FORMAT_VERSION
from nself_tasks.errors import GuardError, HistoryError
from nself_tasks.model import Migration
from nself_tasks.schema_history import History, HistoryMeta, HistoryRow

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

_COLUMNS = (
    "id, version, name, checksum, token_checksum, down_checksum,"
    " CASE WHEN {idle} THEN 'applied' ELSE state END, run_id::text,"
    " applied_at, applied_by, execution_ms, CASE WHEN {idle} THEN 'up' ELSE direction END"
)
_IDLE = (
    "(state = 'partial' AND NOT EXISTS (SELECT FROM public._nself_migration_progress AS p"
    " WHERE p.migration_id = m.id AND p.direction = m.direction))"
)
"""A partial row of which no statement has left anything: its direction has not begun."""


def read(connection: Conn) -> History:
    """Read what is applied; an empty History where the table is not there yet.

    Raises GuardError for a history that a newer version of this tool wrote, and ConnectionFailed
    for a role that may not read it.
    """
    import psycopg

    if not _exists(connection):
        return History(exists=False)
    try:
        return _read(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise GuardError(
            "this database user may not read public._nself_migrations",
            hint="run as the user that ran the first migration, or have it grant SELECT",
            detail=str(error.diag.message_primary),
        ) from None


def _exists(connection: Conn) -> bool:
    found = connection.execute(
        "SELECT pg_catalog.to_regclass('public._nself_migration_meta') IS NOT NULL,"
        " pg_catalog.to_regclass('public._nself_migrations') IS NOT NULL"
    ).fetchone()
    assert found is not None
    if found[1] and not found[0]:
        raise HistoryError(
            "the table public._nself_migrations is there, but public._nself_migration_meta is not:"
            " this is not a history that `nself migrate` wrote",
            hint="if another program made that table, rename it; `nself migrate` changed nothing",
        )
    return bool(found[1])


def _read(connection: Conn) -> History:
    meta = connection.execute(
        "SELECT format_version, project, environment, database_id::text"
        " FROM public._nself_migration_meta"
    ).fetchone()
    if meta is not None and meta[0] > FORMAT_VERSION:
        raise GuardError(
            f"the history of this database has format {meta[0]}, this version of"
            f" `nself migrate` knows formats up to {FORMAT_VERSION}",
            hint="upgrade `nself-migrate`; nothing was changed",
        )
    rows = connection.execute(
        f"SELECT {_COLUMNS.format(idle=_IDLE)} FROM public._nself_migrations AS m"
        f" WHERE state <> 'rolled_back' AND NOT (direction = 'up' AND {_IDLE}) ORDER BY id"
    ).fetchall()
    found = tuple(HistoryRow(*row) for row in rows)
    return History(exists=True, meta=HistoryMeta(*meta) if meta else None, rows=found)


def insert(
    connection: Conn,
    migration: Migration,
    *,
    state: str,
    token_checksum: str,
    up_sql: str,
    down_sql: str | None,
    run: dict[str, Any],
    execution_ms: int | None,
) -> int:
    """Write the row of one migration with its SQL; gives the row's id.

    `run` has run_id, client and tool_version. The caller's transaction decides when it is true.
    """
    row = connection.execute(
        "WITH m AS (INSERT INTO public._nself_migrations (version, name, state, checksum,"
        " token_checksum, down_checksum, run_id, client, tool_version, execution_ms)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id)"
        " INSERT INTO public._nself_migration_sql (migration_id, up_sql, down_sql)"
        " SELECT id, %s, %s FROM m RETURNING migration_id",
        (
            migration.version,
            migration.name,
            state,
            migration.up.checksum,
            token_checksum,
            migration.down.checksum if migration.down else None,
            run["run_id"],
            run["client"],
            run["tool_version"],
            execution_ms,
            up_sql,
            down_sql,
        ),
    ).fetchone()
    assert row is not None
    return int(row[0])


def finish(
    connection: Conn,
    row_id: int,
    migration: Migration,
    *,
    token_checksum: str,
    up_sql: str,
    down_sql: str | None,
    execution_ms: int,
    run_id: str,
) -> None:
    """Mark a partial migration as applied by the run that finished it, with the text it has now.

    What comes after the resume point may have been edited since the migration began.
    """
    connection.execute(
        "UPDATE public._nself_migrations SET state = 'applied', direction = 'up',"
        " checksum = %s, token_checksum = %s, down_checksum = %s, run_id = %s,"
        " execution_ms = %s, applied_at = pg_catalog.clock_timestamp() WHERE id = %s",
        (
            migration.up.checksum,
            token_checksum,
            migration.down.checksum if migration.down else None,
            run_id,
            execution_ms,
            row_id,
        ),
    )
    connection.execute(
        "UPDATE public._nself_migration_sql SET up_sql = %s, down_sql = %s WHERE migration_id = %s",
        (up_sql, down_sql, row_id),
    )


def mark_partial_rollback(connection: Conn, row_id: int, run_id: str) -> None:
    """Mark a migration whose rollback outside a transaction has begun."""
    connection.execute(
        "UPDATE public._nself_migrations SET state = 'partial', direction = 'down',"
        " rollback_run_id = %s WHERE id = %s",
        (run_id, row_id),
    )


def mark_rolled_back(connection: Conn, row_id: int, run_id: str) -> None:
    """Mark a migration as rolled back; its row is kept for ever."""
    connection.execute(
        "UPDATE public._nself_migrations SET state = 'rolled_back', rollback_run_id = %s,"
        " rolled_back_at = pg_catalog.clock_timestamp(), rolled_back_by = session_user"
        " WHERE id = %s",
        (run_id, row_id),
    )


def recorded(connection: Conn, row_id: int) -> tuple[str, str | None]:
    """Give the SQL, up and down, as it was when the migration was applied."""
    row = connection.execute(
        "SELECT up_sql, down_sql FROM public._nself_migration_sql WHERE migration_id = %s",
        (row_id,),
    ).fetchone()
    return (row[0], row[1]) if row else ("", None)


def committed_by(connection: Conn, run_id: str) -> tuple[tuple[str, str], ...]:
    """Give (version, state) of what a run really left in the history: the proof of a commit.

    In the order in which it was done.
    """
    if not read(connection).exists:
        return ()
    rows = connection.execute(
        "SELECT version, state FROM public._nself_migrations"
        " WHERE run_id = %s OR rollback_run_id = %s ORDER BY rolled_back_at NULLS FIRST, id",
        (run_id, run_id),
    ).fetchall()
    return tuple((str(version), str(state)) for version, state in rows)
