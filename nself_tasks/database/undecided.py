"""A rerun finds that a statement outside a transaction was begun: did it do its work?

The catalog is asked. Where it cannot tell, the run stops and a person decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nself_tasks.database import indexes
from nself_tasks.errors import MigrationFailed
from nself_tasks.migrations.targets import detached_partition, named_object, stored_name

if TYPE_CHECKING:
    from nself_tasks.database.session import Session
    from nself_tasks.model import Statement

_REPEATABLE = ("VACUUM", "REINDEX", "CLUSTER", "ALTER SYSTEM", "ALTER DATABASE", "ANALYZE")
"""Statements whose second run gives what one run gives."""

_CATALOGS = {
    "DATABASE": "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s",
    "TABLESPACE": "SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = %s",
    "SUBSCRIPTION": "SELECT 1 FROM pg_catalog.pg_subscription WHERE subname = %s",
}


def finished(
    session: Session, replay: tuple[str, ...], statement: Statement, facts: dict[str, Any]
) -> bool:
    """Tell whether the statement did its work; false means that it may be run again.

    Raises MigrationFailed where nobody can tell from the catalog, with the two ways out.
    """
    try:
        return _ask_catalog(session, replay, statement, facts)
    except CannotTell:
        if session.undecided is None:
            raise
        return session.undecided == "done"


def _ask_catalog(
    session: Session, replay: tuple[str, ...], statement: Statement, facts: dict[str, Any]
) -> bool:
    session.run_sql(session.reset_sql() + "SELECT 1")
    kind = facts.get("kind")
    if kind == "create index":
        return _index_built(session, statement, facts)
    if kind == "drop index":
        return _index_dropped(session, replay, statement, facts)
    if kind == "reindex":
        for name in indexes.drop_leftovers(session.connection, facts):
            session.notice("note", f"dropped {name}, left by the interrupted statement")
        return False
    detached = detached_partition(statement.text)
    if detached is not None:
        return _partition_detached(session, replay, statement, *detached)
    named = named_object(statement.text)
    if named is not None:
        verb, kind_of_object, name = named
        found = session.connection.execute(
            _CATALOGS[kind_of_object],
            (stored_name(name),),
        ).fetchone()
        return (found is not None) == (verb == "CREATE")
    if statement.text.lstrip().upper().startswith(_REPEATABLE):
        return False
    raise _cannot_tell(statement, "no catalog keeps what such a statement does")


class CannotTell(MigrationFailed):
    """Whether a statement did its work is for a person to say."""


def _cannot_tell(statement: Statement, why: str) -> CannotTell:
    return CannotTell(
        f"line {statement.line}: a statement outside a transaction was begun by an earlier run, and"
        f" nobody can tell whether it did its work: {why}",
        hint="look at the database, then say which: `nself migrate run --undecided rerun` runs it"
        " again, `--undecided done` goes on after it",
        database="partial",
        facts={"line": statement.line},
    )


def _index_built(session: Session, statement: Statement, facts: dict[str, Any]) -> bool:
    connection = session.connection
    found = indexes.appeared(connection, facts)
    name = facts.get("name")
    if name is None:
        if found:
            raise _cannot_tell(
                statement, "it names no index, and a new one is there: " + found[0][1]
            )
        return False
    for oid, found_name, valid in found:
        if found_name != name:
            continue
        if valid:
            return True
        pid = indexes.builder(connection, oid)
        if pid is not None:
            raise _cannot_tell(
                statement, f"backend {pid} is building {name} right now; wait for it"
            )
        dropped = indexes.drop_invalid(connection, oid)
        session.notice("note", f"dropped the invalid index {dropped} of the interrupted build")
    return False


def _index_dropped(
    session: Session, replay: tuple[str, ...], statement: Statement, facts: dict[str, Any]
) -> bool:
    if facts.get("index") is None:
        return False
    for text in replay:
        session.connection.execute(text)
    row = session.connection.execute(
        "SELECT pg_catalog.to_regclass(%s)::oid::bigint", (facts["name"],)
    ).fetchone()
    session.run_sql(session.reset_sql() + "SELECT 1")
    if row is None or row[0] is None:
        return True
    if row[0] == facts["index"]:
        return False
    raise _cannot_tell(statement, f"another index is now called {facts['name']}")


def _partition_detached(
    session: Session, replay: tuple[str, ...], statement: Statement, parent: str, partition: str
) -> bool:
    for text in replay:
        session.connection.execute(text)
    pending = session.connection.info.server_version >= 140000
    row = session.connection.execute(
        f"SELECT {'inhdetachpending' if pending else 'false'} FROM pg_catalog.pg_inherits"
        " WHERE inhparent = pg_catalog.to_regclass(%s) AND inhrelid = pg_catalog.to_regclass(%s)",
        (parent, partition),
    ).fetchone()
    session.run_sql(session.reset_sql() + "SELECT 1")
    if row is None:
        return True
    if row[0]:
        raise _cannot_tell(
            statement,
            f"the detachment is half done; `ALTER TABLE {parent} DETACH PARTITION {partition}"
            " FINALIZE` ends it",
        )
    return False
