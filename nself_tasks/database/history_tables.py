"""The tables of the schema history: `public._nself_migrations` and what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nself_tasks.errors import GuardError

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

FORMAT_VERSION = 1

DDL = """
CREATE TABLE public._nself_migrations (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  version         text NOT NULL CHECK (version ~ '^[0-9]+$'),
  name            text NOT NULL,
  state           text NOT NULL CHECK (state IN ('applied', 'partial', 'rolled_back')),
  direction       text NOT NULL DEFAULT 'up' CHECK (direction IN ('up', 'down')),
  checksum        text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
  token_checksum  text NOT NULL,
  down_checksum   text,
  run_id          uuid NOT NULL,
  applied_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  applied_by      text NOT NULL DEFAULT session_user,
  execution_ms    integer,
  client          text,
  tool_version    text NOT NULL,
  rolled_back_at  timestamptz,
  rolled_back_by  text,
  rollback_run_id uuid
);
CREATE UNIQUE INDEX _nself_migrations_in_force
  ON public._nself_migrations ((version::numeric)) WHERE state <> 'rolled_back';
CREATE TABLE public._nself_migration_sql (
  migration_id bigint PRIMARY KEY REFERENCES public._nself_migrations (id),
  up_sql       text NOT NULL,
  down_sql     text
);
CREATE TABLE public._nself_migration_progress (
  migration_id   bigint NOT NULL REFERENCES public._nself_migrations (id),
  direction      text NOT NULL CHECK (direction IN ('up', 'down')),
  position       integer NOT NULL CHECK (position > 0),
  phase          text NOT NULL CHECK (phase IN ('intent', 'done')),
  statement_hash text NOT NULL,
  facts          jsonb NOT NULL DEFAULT '{}',
  run_id         uuid NOT NULL,
  at             timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  PRIMARY KEY (migration_id, direction, position)
);
CREATE TABLE public._nself_migration_meta (
  only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  format_version integer NOT NULL,
  project        text NOT NULL,
  environment    text NOT NULL,
  database_id    uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
  created_at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
REVOKE ALL ON public._nself_migrations, public._nself_migration_sql,
  public._nself_migration_progress, public._nself_migration_meta FROM PUBLIC;
"""


def create(connection: Conn, *, project: str, environment: str) -> None:
    """Create the history tables and the meta row, in the transaction that is open or in one."""
    connection.execute(DDL)
    connection.execute(
        "INSERT INTO public._nself_migration_meta (format_version, project, environment)"
        " VALUES (%s, %s, %s)",
        (FORMAT_VERSION, project, environment),
    )


def relabel(connection: Conn, *, project: str, environment: str) -> None:
    """Write another environment and project name into the meta row."""
    connection.execute(
        "UPDATE public._nself_migration_meta SET project = %s, environment = %s",
        (project, environment),
    )


@contextmanager
def changing(connection: Conn, *, user: str) -> Iterator[None]:
    """Run the block in a transaction; GuardError where this user may not create the tables."""
    import psycopg

    try:
        with connection.transaction():
            yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise GuardError(
            f"the database user `{user}` may not create or change the history table in the schema"
            " public",
            detail=str(error.diag.message_primary),
            hint="run as the database's owner, or `GRANT CREATE ON SCHEMA public` to this user",
            database="unchanged",
        ) from None
    except psycopg.errors.InvalidSchemaName:
        raise GuardError(
            "the database has no schema `public`, where the history table belongs",
            hint="`CREATE SCHEMA public`, then run again",
            database="unchanged",
        ) from None
