"""Which down SQL a rollback runs: the file's or the one recorded when it was applied."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nself_tasks.migrations.masked import masked_difference
from nself_tasks.migrations.source import has_statement, text_checksum
from nself_tasks.model import Migration, SourceFile

if TYPE_CHECKING:
    from nself_tasks.pipeline.options import Reversal


def choose_down(reversal: Reversal, recorded: tuple[str, str | None], *, wanted: str) -> Migration:
    """Give the migration with the down to run: the file's or the recorded one.

    `wanted` is `file`, `history` or `auto` (the file where there is one, else the recorded one);
    `reversal.difference` becomes a diff where both are there and differ.
    """
    migration, (up_sql, down_sql) = reversal.migration, recorded
    file = migration.down
    path = PurePosixPath(f"history/{migration.version}_{migration.name}.down.sql")
    kept = None
    if down_sql and has_statement(down_sql):
        kept = SourceFile(path=path, text=down_sql, checksum=text_checksum(down_sql))
    if file and kept and file.checksum != kept.checksum:
        reversal.difference = masked_difference(
            kept.text, file.text, "recorded when applied", str(file.path)
        )
    chosen = {"file": file, "history": kept, "auto": file or kept}[wanted]
    up = migration.up
    if not up.text:
        up = SourceFile(path=up.path, text=up_sql, checksum=up.checksum)
    return Migration(migration.version, migration.name, up, chosen)
