"""The databases that a restore makes and keeps, told from all others by a mark in their comment.

    shop_restore_20260302-160000          being filled; dropped by the next restore if its own died
    shop_before_restore_20260302-160000   what `shop` was until then; kept until `--drop-old`

The mark is a comment on the database: the server drops it with the database, every client shows it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from nself_tasks.database.dump_script import quoted

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

LONGEST_NAME = 63
"""Bytes: NAMEDATALEN of every usual build."""
_MADE_BY = "nself-migrate restore"

_MARKED = """
SELECT d.datname, pg_catalog.shobj_description(d.oid, 'pg_database')
FROM pg_catalog.pg_database d
WHERE pg_catalog.shobj_description(d.oid, 'pg_database') LIKE '%nself-migrate restore%'
ORDER BY d.datname
"""


_IDENTITIES = """
SELECT %s || '-' || d.oid::text, pg_catalog.shobj_description(d.oid, 'pg_database')
FROM pg_catalog.pg_database d
WHERE pg_catalog.shobj_description(d.oid, 'pg_database') LIKE '%%nself-migrate restore%%'
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the comment on a database of ours says."""

    state: Literal["restoring", "kept"]
    of: str
    """The name of the database that it is to replace, or that it was."""
    project: str
    backup: str
    run: str
    comment: str | None = None
    """Of a kept one: its comment until then."""
    by: str | None = None
    """Of a kept one: the identity of the database that took its place."""

    def text(self) -> str:
        """Give the comment."""
        return json.dumps({"made_by": _MADE_BY, **asdict(self)}, ensure_ascii=False)


def read_mark(comment: str | None) -> Mark | None:
    """Give the mark in a comment; None for a comment of anybody else's."""
    try:
        found = json.loads(comment or "")
        if not isinstance(found, dict) or found.pop("made_by", None) != _MADE_BY:
            return None
        return Mark(**found)
    except (ValueError, TypeError):
        return None


def marked(connection: Conn) -> list[tuple[str, Mark]]:
    """Give all databases of the server that have a mark of ours."""
    rows = connection.execute(_MARKED).fetchall()
    return [(name, mark) for name, comment in rows if (mark := read_mark(comment))]


def successions(connection: Conn, system: str, project: str) -> dict[str, str]:
    """Give, for each database that took the place of a kept one, the identity of that one."""
    rows = connection.execute(_IDENTITIES, (system,)).fetchall()
    found = ((identity, read_mark(comment)) for identity, comment in rows)
    return {
        mark.by: identity
        for identity, mark in found
        if mark and mark.by and (mark.state, mark.project) == ("kept", project)
    }


def comment_of(connection: Conn, name: str) -> str | None:
    """Give the comment on a database."""
    row = connection.execute(
        "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database"
        " WHERE datname = %s",
        (name,),
    ).fetchone()
    return row[0] if row else None


def exists(connection: Conn, name: str) -> bool:
    """Tell whether the server has a database of this name."""
    row = connection.execute(
        "SELECT FROM pg_catalog.pg_database WHERE datname = %s", (name,)
    ).fetchone()
    return row is not None


def free_name(connection: Conn, of: str, middle: str, backup_id: str) -> str:
    """Give a name that is not taken: `shop_restore_20260302-160000`, with a number if need be."""
    number = 1
    while True:
        tail = f"_{middle}_{backup_id}" + (f"_{number}" if number > 1 else "")
        name = shortened(of, LONGEST_NAME - len(tail)) + tail
        if not exists(connection, name):
            return name
        number += 1


def is_name_for(name: str, of: str, middle: str) -> bool:
    """Tell whether `free_name` could have given a name; a long one is cut by a few bytes."""
    start, _, rest = name.rpartition(f"_{middle}_")
    is_cut = len(name.encode()) > LONGEST_NAME - 4 and bool(start) and of.startswith(start)
    return bool(rest) and (start == of or is_cut)


def shortened(name: str, size: int) -> str:
    """Give as much of a name as goes into so many bytes, no sign cut in two."""
    return name.encode()[:size].decode(errors="ignore")


def set_comment(connection: Conn, name: str, comment: str | None) -> None:
    """Give a database a comment, or take it away."""
    from psycopg.sql import NULL, SQL, Identifier, Literal

    value = NULL if comment is None else Literal(comment)
    connection.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), value))


def drop(connection: Conn, name: str, *, force: bool) -> None:
    """Drop a database; `force` ends whoever is connected to it."""
    row = connection.execute(
        "SELECT datistemplate FROM pg_catalog.pg_database WHERE datname = %s", (name,)
    ).fetchone()
    if row is not None and row[0]:
        # Not asked of every database: one whose DROP was cut short can only be dropped.
        connection.execute(f"ALTER DATABASE {quoted(name)} IS_TEMPLATE false")
    connection.execute(f"DROP DATABASE {quoted(name)}{' WITH (FORCE)' if force else ''}")


def is_alive(connection: Conn, run: str) -> bool:
    """Tell whether the restore of this run id is still at work on the server."""
    high, low = divmod(_key(run) % (1 << 64), 1 << 32)
    row = connection.execute(
        "SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted"
        " AND objsubid = 1 AND classid = %s::text::oid AND objid = %s::text::oid",
        (str(high), str(low)),
    ).fetchone()
    return row is not None


def hold(connection: Conn, run: str) -> None:
    """Show for as long as the connection lives that the restore of this run id is at work."""
    connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (_key(run),))


def _key(run: str) -> int:
    digest = hashlib.sha256(f"nself-migrate restore {run}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
