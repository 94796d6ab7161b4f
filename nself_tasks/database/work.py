"""What is to be run for one migration, in either direction, and the history row that closes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nself_tasks.database import history
from nself_tasks.migrations.source import token_checksum
from nself_tasks.model import Migration, Script

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn


@dataclass(frozen=True, slots=True)
class Work:
    """One script to run for one migration; `row_id` is the history row where there is one."""

    migration: Migration
    script: Script
    direction: Literal["up", "down"]
    run: dict[str, Any]
    """run_id, client, tool_version."""
    row_id: int | None = None

    @property
    def version(self) -> str:
        """The migration's version."""
        return self.migration.version

    def open_row(self, connection: Conn, *, state: str, execution_ms: int | None = None) -> int:
        """Write the history row of an up migration; gives its id."""
        down = self.migration.down
        return history.insert(
            connection,
            self.migration,
            state=state,
            token_checksum=token_checksum(self.migration.up.text),
            up_sql=recorded_sql(self.script),
            down_sql=down.text if down else None,
            run=self.run,
            execution_ms=execution_ms,
        )

    def finish_row(self, connection: Conn, row_id: int, execution_ms: int) -> None:
        """Close the row of a migration that ran statement by statement."""
        if self.direction == "down":
            history.mark_rolled_back(connection, row_id, self.run["run_id"])
            return
        down = self.migration.down
        history.finish(
            connection,
            row_id,
            self.migration,
            token_checksum=token_checksum(self.migration.up.text),
            up_sql=recorded_sql(self.script),
            down_sql=down.text if down else None,
            execution_ms=execution_ms,
            run_id=self.run["run_id"],
        )

    def close(self, connection: Conn, execution_ms: int, *, partial: int | None = None) -> None:
        """Write the row that says that all of it is done, in the transaction that is open.

        `partial` is the row of a migration that began statement by statement.
        """
        if self.direction == "down":
            assert self.row_id is not None
            history.mark_rolled_back(connection, self.row_id, self.run["run_id"])
        elif partial is not None:
            self.finish_row(connection, partial, execution_ms)
        else:
            self.open_row(connection, state="applied", execution_ms=execution_ms)


def recorded_sql(script: Script) -> str:
    """Give the text of a script for the history: COPY data only as a digest, it may be huge."""
    text = script.source.text
    for statement in reversed(script.statements):
        if statement.copy_data:
            digest = hashlib.sha256(statement.copy_data.encode()).hexdigest()
            at = text.find(statement.copy_data, statement.start + len(statement.text))
            if at >= 0:
                note = f"-- {len(statement.copy_data)} characters of data, sha256 {digest}\n"
                text = text[:at] + note + text[at + len(statement.copy_data) :]
    return text
