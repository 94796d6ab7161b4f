"""Runs one direction of a draft in a confined session, and says in a model's words what failed."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nself_tasks.database.proof.confined import Session
from nself_tasks.database.statement import failure, runs_alone
from nself_tasks.drafting.draft import Fault, Stage
from nself_tasks.errors import InputError
from nself_tasks.migrations.script import parse
from nself_tasks.migrations.source import text_checksum
from nself_tasks.model import Script, SourceFile, Statement

if TYPE_CHECKING:
    import psycopg

    from nself_tasks.database.connection import Conn


@dataclass(frozen=True, slots=True)
class Idle:
    """A statement that was to change rows and met none."""

    way: Stage
    line: int
    verb: str
    text: str


_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_ALTERS = re.compile(
    rf"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?({_NAME}(?:\.{_NAME})?)", re.IGNORECASE
)


_MET_NONE = re.compile(r"(UPDATE|DELETE|MERGE|INSERT 0) 0")


def screened(direction: str, sql: str) -> Script | tuple[Fault, ...]:
    """Give the script of an `up` or a `down`, or why our own rules refuse it."""
    path = PurePosixPath(f"{direction}.sql")
    try:
        return parse(SourceFile(path, sql, text_checksum(sql)))
    except InputError as error:
        found = tuple(
            Fault("screen", f"{direction}: {problem.message}", None, problem.line)
            for problem in error.problems
        )
        return found or (Fault("screen", f"{direction}: {error.message}"),)


def outside_transaction(script: Script) -> tuple[str, ...]:
    """Give the statements of a script that no transaction holds."""
    if script.in_one_transaction:
        return ()
    return tuple(
        statement.reason or statement.text.splitlines()[0]
        for statement in script.statements
        if runs_alone(script, statement)
    )


def run(
    session: Session,
    script: Script,
    stage: Stage,
    idle: list[Idle],
    note: Callable[[], None] = lambda: None,
) -> Fault | None:
    """Run it as a migration runs: in one transaction, or statement by statement.

    `idle` gets the statements that met no row; `note` is called while the locks of what ran are
    still held.
    """
    import psycopg

    session.starts_anew()
    connection, at = session.connection, list[Statement | None]([None])
    try:
        connection.execute("DISCARD ALL")
        if script.in_one_transaction:
            connection.execute("BEGIN")
        for statement in script.statements:
            at[0] = statement
            if none := _MET_NONE.fullmatch(_execute(connection, statement)):
                idle.append(Idle(stage, statement.line, none[1].split()[0], statement.text))
            note()
        if script.in_one_transaction:
            at[0] = None
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            connection.execute("COMMIT")
    except psycopg.Error as error:
        fault = _fault(session, script, at[0], error, stage)
        with suppress(psycopg.Error):
            # Nobody is there any more where the session was ended from beside.
            connection.execute("ROLLBACK")
        return fault
    return None


def _execute(connection: Conn, statement: Statement) -> str:
    """Run a statement, and give the server's word on what it did."""
    with connection.cursor() as cursor:
        if statement.copy_data is None:
            cursor.execute(statement.text.encode())
            return cursor.statusmessage or ""
        with cursor.copy(statement.text.encode()) as copy:
            copy.write(statement.copy_data.encode())
        return cursor.statusmessage or ""


def _fault(
    session: Session,
    script: Script,
    statement: Statement | None,
    error: psycopg.Error,
    stage: Stage,
) -> Fault:
    if session.ended_for:
        line = statement.line if statement else None
        return Fault(stage, session.ended_for, error.sqlstate, line)
    found = failure(script, statement, error, version="the draft")
    said = [str(found.facts["server_message"])]
    said += [
        line
        for line in (found.detail or "").splitlines()
        if line.startswith(("detail: ", "hint: "))
    ]
    line = found.facts["line"] if statement else None
    raised = bool(error.diag.context or error.diag.internal_query)
    alters = _ALTERS.match(statement.text) if statement else None
    table = alters[1] if alters else None
    return Fault(stage, "; ".join(said), error.sqlstate, line, raised, table)
