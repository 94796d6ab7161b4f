"""The schema of the live database: dumped without a row, and loaded for the role of drafts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks.database import history
from nself_tasks.database.client_program import run_watched
from nself_tasks.database.connection import connect
from nself_tasks.database.dump import connection_environment, conninfo
from nself_tasks.database.proof.confined import ROLE
from nself_tasks.database.proof.surroundings import CALLING_OUT, FILLED, keep_wrappers
from nself_tasks.database.servers.binaries import (
    DUMP_PROGRAMS,
    Installation,
    candidates,
    dump_tools,
)
from nself_tasks.database.target import open_for_planning
from nself_tasks.errors import NselfError

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.model import Target

LOADER = "nself_loader"
"""A superuser beside the first one, because what that one owns cannot be given away."""
_LEFT_OUT = (
    "--exclude-schema=hdb_catalog",
    "--exclude-schema=hdb_views",
    "--exclude-table=public._nself_migration*",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
)
_ONLY_SUPERUSERS = (" EVENT TRIGGER ", " FOREIGN DATA WRAPPER ")
"""Entries of a dump that nobody else may own; none of them says what a table is."""


class CannotCopy(NselfError):
    """The schema cannot be had in a scratch database: the draft stays unproven."""


@dataclass(frozen=True, slots=True)
class Live:
    """The dump of a live schema, and what has to be known to load it."""

    dump: Path
    tools: Installation
    major: int
    database: str
    applied: frozenset[int]
    """The numbers of the migrations that are in it."""
    roles: tuple[str, ...]
    extensions: tuple[str, ...]
    settings: tuple[str, ...]
    """`search_path=shop, public`: what the database sets for every session."""
    filled: tuple[str, ...]
    """The materialized views that have data, qualified, in the order in which they were made."""
    passed_over: tuple[str, ...]
    """How a list of the dump's contents names the triggers that call what is not in the dump."""


@contextmanager
def dumped(target: Target, root: Path) -> Iterator[Live | None]:
    """Give the target's schema; None where there is no database yet.

    Raises ConnectionFailed, CannotCopy, BackupFailed, ServerError.
    """
    with open_for_planning(target, root) as url:
        if url is None:
            yield None
            return
        connection = connect(url, application="nself-migrate generate", read_only=True)
        with connection, tempfile.TemporaryDirectory(prefix="nself-draft-") as folder:
            yield _dumped(connection, Path(folder, "schema.dump"))


def _dumped(connection: Conn, dump: Path) -> Live:
    major = connection.info.server_version // 10000
    tools = _tools(major)
    command = [
        tools.program("pg_dump"),
        "--format=custom",
        "--schema-only",
        "--lock-wait-timeout=5s",
        "--no-password",
        *_LEFT_OUT,
        f"--file={dump}",
        "--",
        conninfo(connection),
    ]
    ended = run_watched(command, connection_environment(connection))
    if ended.code != 0:
        raise CannotCopy(f"`pg_dump` {ended.how}: {_first(ended.said)}")
    applied = frozenset(row.number for row in history.read(connection).rows)
    return Live(
        dump,
        tools,
        major,
        connection.info.dbname,
        applied,
        _listed(connection, "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'"),
        _listed(connection, "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'"),
        _listed(
            connection,
            "SELECT unnest(setconfig) FROM pg_db_role_setting AS s JOIN pg_database AS d"
            " ON d.oid = s.setdatabase WHERE s.setrole = 0 AND d.datname = current_database()",
        ),
        _listed(connection, FILLED),
        _listed(connection, CALLING_OUT),
    )


def _tools(major: int) -> Installation:
    """Give the pg_dump of that server, or a newer one, which knows how to read it."""
    newer = (
        found
        for found in candidates()
        if found.major > major and all(Path(found.program(name)).exists() for name in DUMP_PROGRAMS)
    )
    if tools := dump_tools(major) or next(newer, None):
        return tools
    raise CannotCopy(f"no `pg_dump` of PostgreSQL {major} or newer is installed here")


def load(live: Live, connection: Conn, *, as_loader: Conn) -> None:
    """Load the schema into the empty database of both connections; `ROLE` owns it all then.

    Raises CannotCopy.
    """
    for role in live.roles:
        make_role(connection, role)
    listed = live.dump.with_suffix(".list")
    shown = run_watched(
        [live.tools.program("pg_restore"), "--list", f"--file={listed}", str(live.dump)], {}
    )
    if shown.code != 0:
        raise CannotCopy(f"`pg_restore` {shown.how}: {_first(shown.said)}")
    lines = listed.read_text(errors="replace").splitlines()
    without = (*_ONLY_SUPERUSERS, *live.passed_over)
    kept = [line for line in lines if not any(part in line for part in without)]
    listed.write_text("\n".join(kept) + "\n")
    # What the indexes of a schema call runs as the owner of the table: by then not a superuser.
    for section in ("pre-data", "post-data"):
        _restore(live, as_loader, section, listed)
        keep_wrappers(connection, LOADER)
        connection.execute(f"REASSIGN OWNED BY {LOADER} TO {ROLE}")


def _restore(live: Live, as_loader: Conn, section: str, listed: Path) -> None:
    command = [
        live.tools.program("pg_restore"),
        f"--section={section}",
        "--no-owner",
        "--exit-on-error",
        "--no-password",
        f"--use-list={listed}",
        f"--dbname={conninfo(as_loader)}",
        str(live.dump),
    ]
    ended = run_watched(command, connection_environment(as_loader))
    if ended.code != 0:
        raise CannotCopy(f"`pg_restore` {ended.how}: {_first(ended.said)}")


def make_role(connection: Conn, name: str) -> None:
    """Make a role that may not log in, with which the role of drafts may share what it owns."""
    from psycopg import sql

    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    if found is None:
        connection.execute(
            sql.SQL("CREATE ROLE {0} NOLOGIN; GRANT {0} TO {1}").format(
                sql.Identifier(name), sql.Identifier(ROLE)
            )
        )


def _listed(connection: Conn, query: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(query.encode()).fetchall())


def _first(said: str) -> str:
    lines = [line for line in said.splitlines() if "error:" in line] or said.splitlines()
    return lines[0].strip() if lines else "it said nothing"
