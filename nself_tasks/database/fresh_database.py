"""The database that a dump is restored into: made, filled, compared with the dump, described."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from nself_tasks.database import connection as connecting
from nself_tasks.database import marked_databases as marks
from nself_tasks.database.dump_contents import DumpContents
from nself_tasks.database.dump_script import renamed
from nself_tasks.database.servers.sockets import with_database
from nself_tasks.errors import BackupFailed, ConnectionFailed

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.database.marked_databases import Mark

APPLICATION = "nself-migrate restore"

# What extensions own is not in a dump; the sequences of identity columns are.
_RELATIONS = """
SELECT count(*) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
    AND d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid)
"""


_ALONE_AND_EMPTY = """
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid())
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace
    WHERE nspname NOT IN ('public', 'information_schema') AND nspname !~ '^pg_')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = 'public')
"""


def is_empty(url: str, name: str) -> bool:
    """Tell whether a database holds nothing of anybody's and nobody is in it; False in doubt."""
    try:
        connection = connecting.connect(with_database(url, name), application=APPLICATION)
    except ConnectionFailed:
        return False
    with closing(connection):
        row = connection.execute(_ALONE_AND_EMPTY).fetchone()
    return bool(row and row[0])


def beside(url: str, *names: str) -> Conn:
    """Connect to another database of the server than these. Raises ConnectionFailed."""
    last: ConnectionFailed | None = None
    for database in ("postgres", "template1"):
        if database in names:
            continue
        try:
            return connecting.connect(with_database(url, database), application=APPLICATION)
        except ConnectionFailed as error:
            last = error
    assert last is not None
    raise _why(url, last)


_NOT_LET_IN = (
    "the server has no such database",
    "the server does not accept this user from this host",
    "the connection failed",
)
"""Reasons that are about the database `postgres` or `template1`, and not about the server."""


def _why(url: str, last: ConnectionFailed) -> ConnectionFailed:
    """Give the reason with its own way out; a pooler that lists only the target is one, too."""
    if not last.message.endswith(_NOT_LET_IN):
        return last
    try:
        connecting.connect(url, application=APPLICATION).close()
    except ConnectionFailed as error:
        if "pooler" in error.facts:
            return error
    return ConnectionFailed(
        f"a restore works from beside the database: {last.message}",
        hint="let this user into the database `postgres` or `template1` of the server",
        detail=last.detail,
        database="unchanged",
    )


def create(connection: Conn, contents: DumpContents, name: str, mark: Mark) -> None:
    """Make an empty database with encoding, locale and owner of the dump. Raises BackupFailed."""
    import psycopg

    script = contents.script
    if not script.create:
        raise BackupFailed(
            "the dump does not say how its database is made: `pg_dump --create` was not used",
            hint="restore it by hand with `pg_restore`; nothing was changed",
            database="unchanged",
        )
    try:
        connection.execute(renamed(script.create, name))
        marks.set_comment(connection, name, mark.text())
        if script.owner:
            connection.execute(renamed(script.owner, name))
    except psycopg.errors.Error as error:
        if connection.broken:
            raise
        raise BackupFailed(
            f"the server does not make the database: {error.diag.message_primary or error}",
            detail=error.diag.message_detail,
            hint="mend what it says (a locale that the server lacks?), then run again;"
            " the database of today is as it was",
            database="unchanged",
        ) from None


def describe(connection: Conn, contents: DumpContents, name: str) -> None:
    """Give it the settings, rights, limits and labels of the dump's database."""
    for statement in contents.script.properties:
        connection.execute(renamed(statement, name))


def require_complete(connection: Conn, contents: DumpContents) -> int:
    """Give how many tables, views and sequences there are. Raises BackupFailed for too few."""
    row = connection.execute(_RELATIONS).fetchone()
    found = int(row[0]) if row else 0
    if found < contents.relations:
        raise BackupFailed(
            f"{found:,} of {contents.relations:,} tables, views and sequences of the dump are"
            " there after `pg_restore`",
            hint="does an event trigger drop them? The database of today is as it was",
            database="unchanged",
        )
    return found


def discard(connection: Conn, name: str, run: str) -> bool:
    """Drop a half-restored database if it bears the mark of this very run; gives whether it is
    gone, which it is not where the server does not answer."""
    import psycopg

    try:
        found = marks.read_mark(marks.comment_of(connection, name))
        if found is not None and (found.run, found.state) == (run, "restoring"):
            marks.drop(connection, name, force=True)
    except psycopg.Error:
        return False
    return True


def reconnected(url: str, name: str, wait: float) -> Conn | None:
    """Connect beside a database, for up to `wait` seconds; None where nobody answers."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return beside(url, name)
        except ConnectionFailed:
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.5)
