"""What a restore needs of the server, asked before anything: rights, roles, extensions, space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks.database import connection as connecting
from nself_tasks.database import privileged
from nself_tasks.database.dump_contents import DumpContents
from nself_tasks.errors import GuardError, Problem

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

_USER = """
SELECT session_user, r.rolsuper, r.rolcreatedb FROM pg_catalog.pg_roles r
WHERE r.rolname = session_user
"""
_OWNER = """
SELECT pg_catalog.pg_get_userbyid(datdba), pg_catalog.pg_has_role(session_user, datdba, 'USAGE')
FROM pg_catalog.pg_database WHERE datname = %s
"""
_ROLE = """
SELECT pg_catalog.pg_has_role(session_user, oid, 'MEMBER')
FROM pg_catalog.pg_roles WHERE rolname = %s
"""
_EXTENSION = """
SELECT coalesce(bool_or((v.trusted OR NOT v.superuser) AND v.version = e.default_version), false)
FROM pg_catalog.pg_available_extension_versions v
JOIN pg_catalog.pg_available_extensions e USING (name) WHERE v.name = %s HAVING count(*) > 0
"""


def require_primary(connection: Conn) -> None:
    """Raise ConnectionFailed on a standby, where no database can be made, renamed or dropped."""
    row = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
    if row and row[0]:
        raise connecting.standby()


def check_pair(server_major: int, contents: DumpContents) -> None:
    """Raise GuardError where the server is older than the one that was dumped."""
    if contents.server_major > server_major:
        raise GuardError(
            f"the dump is from PostgreSQL {contents.server_major}, the server is PostgreSQL"
            f" {server_major}: a dump does not go back to an older version",
            hint=f"restore it to a server of version {contents.server_major} or newer"
            " (`--database-url`); nothing was changed",
            database="unchanged",
        )


def check(connection: Conn, contents: DumpContents, *, target: str | None) -> None:
    """Raise GuardError with everything that the server lacks, all of it at once.

    `target` is the database that is to be replaced, if one is.
    """
    row = connection.execute(_USER).fetchone()
    assert row is not None
    user, superuser, creates = row
    problems: list[Problem] = []
    if not superuser:
        problems += _rights(connection, user, contents, target, creates=creates)
    problems += _missing(connection, contents, superuser=superuser)
    if problems:
        raise GuardError(
            "the server lacks what this restore needs",
            problems=problems,
            hint="make what is missing (roles are in no dump of one database), or restore as a"
            " user who may; nothing was changed",
            facts={"user": user},
            database="unchanged",
        )


def _rights(
    connection: Conn, user: str, contents: DumpContents, target: str | None, *, creates: bool
) -> list[Problem]:
    found = []
    if not creates:
        found.append(Problem(f"user `{user}` may not create databases (CREATEDB)"))
    if target is not None and (row := connection.execute(_OWNER, (target,)).fetchone()):
        owner, is_owner = row
        if not is_owner:
            found.append(
                Problem(f"user `{user}` may not rename `{target}`, which belongs to `{owner}`")
            )
    # Rights may be given to anybody; only what belongs to a role has to be made in its place.
    for role in sorted(contents.script.owners):
        row = connection.execute(_ROLE, (role,)).fetchone()
        if row is not None and not row[0]:
            found.append(
                Problem(
                    f"user `{user}` is no member of `{role}`, to which things in the dump belong"
                )
            )
    return found + privileged.problems(connection, contents.script, user)


def _missing(connection: Conn, contents: DumpContents, *, superuser: bool) -> list[Problem]:
    found = [
        Problem(f"role `{role}` does not exist")
        for role in sorted(contents.roles)
        if connection.execute(_ROLE, (role,)).fetchone() is None
    ]
    for name in sorted(contents.script.extensions):
        row = connection.execute(_EXTENSION, (name,)).fetchone()
        if row is None:
            found.append(Problem(f"extension `{name}` is not installed on the server"))
        elif not superuser and not row[0]:
            found.append(Problem(f"extension `{name}` can be created by a superuser only"))
    for name in sorted(contents.script.tablespaces):
        asked = "SELECT FROM pg_catalog.pg_tablespace WHERE spcname = %s"
        if connection.execute(asked, (name,)).fetchone() is None:
            found.append(Problem(f"tablespace `{name}` does not exist"))
    return found


def size(connection: Conn, database: str) -> int:
    """Give the bytes that a database has on the server's disk; 0 where we may not know."""
    import psycopg

    try:
        row = connection.execute(
            "SELECT pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database"
            " WHERE datname = %s",
            (database,),
        ).fetchone()
    except psycopg.Error:
        return 0
    return int(row[0]) if row else 0


def free_space(connection: Conn) -> int | None:
    """Give the free bytes on the server's disk; None where it is another machine's or hidden.

    A Unix socket leads to this machine; a port may lead into a container.
    """
    import psycopg

    if not connection.info.host.startswith(("/", "@")):
        return None
    try:
        row = connection.execute("SHOW data_directory").fetchone()
        told = os.statvfs(Path(str(row[0]))) if row else None
    except (psycopg.Error, OSError):
        return None
    return told.f_bavail * told.f_frsize if told else None


def check_space(connection: Conn, *, dump: int, database: int) -> str | None:
    """Raise GuardError where the disk cannot hold a second database; gives a warning, or None.

    `dump` and `database` are bytes: no database is smaller than its dump, and most are as large
    as the one that they replace.
    """
    free = free_space(connection)
    wanted = max(dump, database)
    if free is None:
        return (
            f"the server needs room for a second database, about {wanted / 1e6:,.0f} MB; how much"
            " it has cannot be seen from here"
        )
    if free < dump:
        raise GuardError(
            f"the server's disk has {free / 1e6:,.0f} MB free, the dump alone has"
            f" {dump / 1e6:,.0f} MB, and the old database stays beside the new one",
            hint="free some space on the server's disk; nothing was changed",
            database="unchanged",
        )
    if free < wanted:
        return (
            f"the server's disk has {free / 1e6:,.0f} MB free, the database of today has"
            f" {wanted / 1e6:,.0f} MB, and both stay: it may not do"
        )
    return None
