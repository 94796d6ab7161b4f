"""The schema of the migration files: all of them run, one on top of the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from nself_tasks.database.proof.confined import session
from nself_tasks.database.proof.live import CannotCopy, make_role
from nself_tasks.database.proof.running import run
from nself_tasks.errors import InputError
from nself_tasks.migrations.lexer import tokens
from nself_tasks.migrations.script import parse
from nself_tasks.model import Migration, Script

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

ALLOWED = frozenset(
    (
        *("vector", "postgis", "postgis_topology", "pg_stat_statements", "pg_trgm", "unaccent"),
        *("timescaledb", "h3", "age", "rum", "bloom", "pgroonga"),
    )
)
"""Extensions that only a superuser makes and that give nobody a way out of the database."""
_MOST_ROLES = 20
_MISSING_ROLE = re.compile(r'^role "(.+)" does not exist')


def replay(migrations: Iterable[Migration], server: str, database: str, admin: Conn) -> None:
    """Run the up files. Raises CannotCopy with the first one that cannot be run there."""
    for migration in migrations:
        try:
            script = parse(migration.up)
        except InputError as error:
            raise CannotCopy(f"the migrations before it cannot be run: {error.message}") from None
        _apply(migration, script, server, database, admin)


def extensions_of(scripts: Iterable[Script]) -> Iterator[str]:
    """Give the extensions that scripts make."""
    for script in scripts:
        for statement in script.statements:
            words = [word.strip('"').lower() for word in tokens(statement.text[:200])]
            if words[:2] == ["create", "extension"]:
                named = words[5:] if words[2:5] == ["if", "not", "exists"] else words[2:]
                yield from named[:1]


def make_extensions(names: Iterable[str], admin: Conn) -> None:
    """Make those that are allowed and that only a superuser can make, where the server has them."""
    from psycopg import sql

    rows = admin.execute(
        "SELECT DISTINCT v.name::text FROM pg_available_extension_versions AS v"
        " WHERE v.superuser AND NOT v.trusted"
    ).fetchall()
    for name in {row[0] for row in rows} & ALLOWED & set(names):
        admin.execute(
            sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(name))
        )


def _apply(migration: Migration, script: Script, server: str, database: str, admin: Conn) -> None:
    make_extensions(extensions_of([script]), admin)
    for attempt in range(_MOST_ROLES + 1):
        with session(server, database) as confined:
            fault = run(confined, script, "start", [])
        if fault is None:
            return
        role = _MISSING_ROLE.match(fault.message)
        if role is None or not script.in_one_transaction or attempt == _MOST_ROLES:
            line = f":{fault.line}" if fault.line else ""
            raise CannotCopy(f"{migration.up.path}{line} cannot be run there: {fault.message}")
        # Whoever made the database made its roles: they are no part of the schema.
        make_role(admin, role[1])
