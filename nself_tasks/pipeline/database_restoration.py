"""One `backups restore --database`: which dump, over which database, and how far it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks.backup_catalog import StoredBackup
from nself_tasks.database import aftermath, exchange, fresh_database, history
from nself_tasks.database import connection as connecting
from nself_tasks.database import marked_databases as marks
from nself_tasks.database.dump_contents import DumpContents
from nself_tasks.database.exchange import Inside
from nself_tasks.database.pg_restore import PgRestore
from nself_tasks.database.session import Session
from nself_tasks.errors import ConnectionFailed
from nself_tasks.schema_history import History, ServerFacts

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.settings import Settings


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """The flags of `backups restore` that are about the database."""

    into: str | None = None
    """The name of a new database that is made instead of replacing one."""
    replace: str | None = None
    """The target's name, from somebody who knows that the backup is of another database."""
    disconnect: bool = False
    lock_wait: float = 30.0
    yes: bool = False


@dataclass
class DatabaseRestoration:
    """One restore of a dump. Nothing is opened before it is asked for."""

    settings: Settings
    backup: StoredBackup
    options: RestoreOptions
    url: str
    read_only: bool = False
    """For a plan: no connection of it can write."""
    notice: Callable[[str, str], None] = field(default=lambda level, text: None)
    progress: Callable[[int, float], None] = field(default=lambda size, seconds: None)
    """Told the bytes that are there and the seconds that it took, while the dump is restored."""
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    contents: DumpContents | None = None
    tools: PgRestore | None = None
    fresh: str | None = None
    """The name of the database that is being filled, once it is made."""
    kept: str | None = None
    """The name that the old database has afterwards, once it is chosen."""
    is_whole: bool = False
    """Whether every byte of the backup was read and is as it was written."""
    is_checked: bool = False
    is_filled: bool = False
    is_complete: bool = False
    is_described: bool = False
    has_swapped: bool = False
    identity: str | None = None
    """Of the restored database."""
    before: History = field(default_factory=lambda: History(exists=False))
    """What the replaced database said was applied."""
    _session: Session | None = None

    @property
    def dump(self) -> Path:
        """The dump's file."""
        assert self.backup.database is not None
        return self.backup.path / str(self.backup.database["dump"])

    @property
    def dump_size(self) -> int:
        """Bytes of the dump."""
        return int(self.backup.database["size"]) if self.backup.database else 0

    @cached_property
    def facts(self) -> ServerFacts | None:
        """Who the database is that is to be replaced; None with `--into`. Raises ConnectionFailed,
        where there is none of the name."""
        if self.options.into is not None:
            return None
        connection = connecting.connect(
            self.url, application=fresh_database.APPLICATION, read_only=True
        )
        try:
            self.before = history.read(connection)
            return connecting.facts(connection)
        finally:
            connection.close()

    @property
    def name(self) -> str:
        """The name that the restored database gets."""
        facts = self.facts
        return facts.database if facts else str(self.options.into)

    @cached_property
    def server(self) -> Conn:
        """A connection to another database of the server. Raises ConnectionFailed."""
        return self._beside()

    @cached_property
    def watcher(self) -> Conn:
        """A second one, to look on while the first waits. Raises ConnectionFailed."""
        return self._beside()

    def _beside(self) -> Conn:
        connection = fresh_database.beside(self.url, self.name)
        if self.read_only:
            connection.execute("SET default_transaction_read_only = on")
        return connection

    @property
    def system(self) -> str:
        """The server's own identity, which all of its databases share."""
        return connecting.facts(self.server).identity.rpartition("-")[0]

    def require_contents(self) -> DumpContents:
        """Give the dump's contents, which the first step has read."""
        assert self.contents is not None
        return self.contents

    def mark(self, state: str) -> marks.Mark:
        """Give the mark of a database of this restore."""
        return marks.Mark(
            state="kept" if state == "kept" else "restoring",
            of=self.name,
            project=self.settings.project_name or "",
            backup=self.backup.id,
            run=self.run_id,
            by=self.identity if state == "kept" else None,
        )

    @property
    def is_locked(self) -> bool:
        """Whether this restore holds the migration lock, or needs none."""
        return self.facts is None or (self._session is not None and self._session.locked)

    def lock(self) -> bool:
        """Take the migration lock of the database that is replaced; gives whether it waited."""
        self._session = Session(self.url, run_id=self.run_id, notice=self.notice)
        return self._session.acquire_lock(wait=self.options.lock_wait)

    @property
    def inside(self) -> Inside:
        """Our session on the database that is replaced."""
        return Inside(self._session)

    def history_now(self) -> History:
        """Read what the restored database says is applied. Raises ConnectionFailed."""
        return aftermath.applied_now(self.url, fresh_database.APPLICATION)

    def stands(self) -> bool | None:
        """Ask the server whether the restored database has the name; None where nobody answers."""
        if self.identity is None:
            return False
        connection = fresh_database.reconnected(self.url, self.name, connecting.RECONNECT_SECONDS)
        if connection is None:
            return None
        try:
            return exchange.identity_of(connection, self.name) == self.identity
        finally:
            connection.close()

    def close(self) -> None:
        """Drop what was half restored, where the server still answers, and close everything."""
        self.inside.leave()
        self.discard()
        for name in ("server", "watcher"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()

    def discard(self) -> bool:
        """Drop what was half restored; False where it is left, for the next restore to drop."""
        if self.fresh is None or self.has_swapped:
            return True
        for _ in ("over the connection that is there", "over a new one"):
            try:
                if fresh_database.discard(self.watcher, self.fresh, self.run_id):
                    self.fresh = None
                    return True
                self.__dict__.pop("watcher").close()
            except ConnectionFailed:
                break
        return False
