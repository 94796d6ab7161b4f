"""What a draft does while it runs: the locks that it takes, the tables that it writes anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

Files = dict[int, tuple[str, int]]
"""Table → its name and the number of its file, which changes when it is written anew."""

_STRENGTH = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
_WORDS = {
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
}


def files(connection: Conn) -> Files:
    """Give the files of all tables and materialized views."""
    rows = connection.execute(
        "SELECT c.oid::bigint, c.oid::regclass::text, c.relfilenode::bigint"
        " FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'm', 'p')"
        " AND c.relnamespace <> 'pg_catalog'::regnamespace AND c.oid >= 16384"
    ).fetchall()
    return {oid: (name, file) for oid, name, file in rows}


def rewritten(before: Files, after: Files) -> tuple[str, ...]:
    """Give the tables that are the same and have another file."""
    return tuple(
        sorted(
            name for oid, (name, file) in before.items() if oid in after and after[oid][1] != file
        )
    )


class Locks:
    """The strongest lock that a session has held on each table that was there before."""

    def __init__(self, tables: Files) -> None:
        self._tables = {oid: name for oid, (name, _) in tables.items()}
        self._held: dict[int, str] = {}

    def note(self, beside: Conn, pid: int) -> None:
        """Look at what the session holds now, from another connection."""
        found = beside.execute(
            "SELECT relation::bigint, mode FROM pg_catalog.pg_locks"
            " WHERE pid = %s AND locktype = 'relation' AND granted",
            [pid],
        ).fetchall()
        for oid, mode in found:
            if oid in self._tables and mode in _STRENGTH:
                held = self._held.get(oid, _STRENGTH[0])
                self._held[oid] = max(held, mode, key=_STRENGTH.index)

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables on which there was any lock."""
        return tuple(sorted(self._tables[oid] for oid in self._held))

    @property
    def shown(self) -> tuple[str, ...]:
        """`ACCESS EXCLUSIVE on public.users`, without those that only readers take."""
        held = ((self._tables[oid], _WORDS.get(mode)) for oid, mode in self._held.items())
        return tuple(f"{words} on {name}" for name, words in sorted(held) if words)
