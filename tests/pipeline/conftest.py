"""A context on a project without a database, for tests of the graph itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from servers_for_tests import Project

from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.options import Options
from nself_tasks.schema_history import History, HistoryMeta, HistoryRow
from nself_tasks.settings import load


@pytest.fixture
def contexts(project: Project) -> Callable[..., Context]:
    """Makes contexts over three migrations, of which the first `applied` are in the history."""
    for number, name in enumerate("abc", 1):
        project.migration(str(number), name, f"CREATE TABLE {name} (i int);", f"DROP TABLE {name};")

    def make(*, applied: int = 0, goal: Any = "run", **options: Any) -> Context:
        context = Context(load({}, {}, project.root), Options(**options), goal=goal)
        rows = tuple(row(number, migration) for number, migration in enumerate(context.migrations))
        if applied:
            meta = HistoryMeta(1, "demo", "dev", "id")
            context.set_history(History(exists=True, meta=meta, rows=rows[:applied]))
        return context

    def row(number: int, migration: Any) -> HistoryRow:
        return HistoryRow(
            id=number,
            version=migration.version,
            name=migration.name,
            checksum=migration.up.checksum,
            token_checksum="",
            down_checksum=None,
            state="applied",
            run_id="",
            applied_at=None,
            applied_by=None,
            execution_ms=1,
        )

    return make
