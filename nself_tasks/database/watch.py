"""Says whom a waiting statement waits for, from a second connection, while it waits."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nself_tasks.database import connection as connecting
from nself_tasks.database import lock, pooler
from nself_tasks.errors import NselfError

if TYPE_CHECKING:
    from types import TracebackType

    from nself_tasks.database.session import Session

_FIRST_LOOK = 1.0
_LOOK_AGAIN = 1.0

_BLOCKERS = """
SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type), coalesce(a.usename, '?'),
  coalesce(a.state, '?'), pg_catalog.to_char(a.xact_start, 'HH24:MI:SS'),
  (SELECT pg_catalog.left(pg_catalog.regexp_replace(q.query, '\\s+', ' ', 'g'), 40)
   FROM pg_catalog.pg_stat_activity q WHERE q.pid = %(pid)s)
FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%(pid)s)) AS b(pid)
JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
"""


class Watch:
    """A thread that looks once a second whether our backend waits for somebody's lock."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pid, _ = session.backend
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="blockers", daemon=True)

    def __enter__(self) -> Watch:
        self._pid, _ = self._session.backend
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _look(self) -> None:
        if self._stop.wait(_FIRST_LOOK):
            return
        import psycopg

        try:
            with connecting.connect(
                self._session.url, application="nself-migrate watch", read_only=True
            ) as connection:
                if not pooler.is_between(connection):
                    lock.show_waiting(connection)
                said: set[tuple[object, ...]] = set()
                while True:
                    pid = self._session.backend[0]
                    for row in connection.execute(_BLOCKERS, {"pid": pid}):
                        if row not in said:
                            said.add(row)
                            self._say(row)
                    if self._stop.wait(_LOOK_AGAIN):
                        return
        except (psycopg.Error, NselfError):
            # Watching is a courtesy: a run does not fail because nobody can look on.
            return

    def _say(self, row: tuple[object, ...]) -> None:
        pid, name, user, state, since, query = row
        self._session.notice(
            "note",
            f"waiting for a lock (`{query} …`): backend {pid}, `{name}`, user {user}, {state},"
            f" in a transaction since {since or '?'}, is in the way",
        )
