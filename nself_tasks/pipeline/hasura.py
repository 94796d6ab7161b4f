"""The stage `hasura`: after a change of the schema, the stack's Hasura reads the catalog again.

It comes after the goal: what a run has done is done and recorded, whatever Hasura says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nself_tasks import hasura
from nself_tasks.errors import InputError, NselfError
from nself_tasks.hasura_http import Endpoint, HasuraFailed, NobodyThere
from nself_tasks.hasura_metadata import tables_of_files
from nself_tasks.migrations.removals import Removal, removals
from nself_tasks.pipeline.record import RECORD
from nself_tasks.pipeline.steps import Call, Condition, StepDict

if TYPE_CHECKING:
    from nself_tasks.model import SourceFile
    from nself_tasks.pipeline.context import Context

HASURA = "migrate:hasura"
MOST_NAMED = 10


def endpoint(context: Context) -> Endpoint | None:
    """Give the Hasura that a run is to tell; None where there is none, or it is not wanted."""
    if context.options.hasura == "off" or not context.uses_database:
        return None
    try:
        return hasura.endpoint(context.settings)
    except NselfError:
        # The database is asked first, and whatever is wrong with its settings is said there.
        return None


def goal(context: Context) -> str:
    """Give the last step of the graph: Hasura's where the project has one, else the record."""
    return RECORD if endpoint(context) is None else HASURA


def reload(context: Context) -> Iterator[StepDict]:
    """Give the step that reloads the metadata; it has nothing to do where no schema changed."""
    at = endpoint(context)
    if at is None:
        return
    changed = [m.version for m in context.pending] + [r.row.version for r in context.reversals]
    why = f"{len(changed)} migration{'s' if len(changed) != 1 else ''} may change what it tracks"
    reasons = [why, *context.around.touched] if changed else ["no migration changes the schema"]
    yield {
        "basename": HASURA,
        "doc": f"reload the metadata of Hasura at {at.url}",
        "actions": [Call(_reload, context, at)],
        "task_dep": [RECORD],
        "uptodate": [Condition(lambda: not changed, reason) for reason in reasons],
        "meta": {"stage": "hasura"},
    }


def _reload(context: Context, at: Endpoint) -> dict[str, Any]:
    """Tell Hasura, and say what came of it; never a failure of the run."""
    found: dict[str, Any] = {"endpoint": at.url, "reloaded": False, "inconsistent": []}
    context.around.hasura = found
    try:
        objects = hasura.reload_metadata(at)
    except HasuraFailed as error:
        level = "note" if isinstance(error, NobodyThere) else "warning"
        context.notice(level, f"{error}, its metadata was not reloaded: {error.hint}")
        return {"reloaded": False}
    found["reloaded"] = True
    found["inconsistent"] = [
        {"type": one.type, "name": one.name, "reason": one.reason} for one in objects
    ]
    for one in objects[:MOST_NAMED]:
        context.notice("warning", f"Hasura: {one.type} {one.name} is inconsistent: {one.reason}")
    if objects:
        context.notice(
            "warning",
            f"Hasura has {len(objects)} inconsistent object{'s' if len(objects) != 1 else ''}:"
            f" correct or untrack them in its console ({at.url}/console) or in hasura/metadata",
        )
    return {"reloaded": True, "inconsistent": len(objects)}


def look(context: Context) -> None:
    """Note which tracked tables the plan's migrations drop or rename; asks only if any do."""
    at = endpoint(context)
    dropped = list(_removals(context)) if at is not None else []
    if at is None or not dropped:
        return
    tracked = set(tables_of_files(context.settings.project))
    try:
        tracked |= hasura.tracked_tables(at)
    except HasuraFailed as error:
        if not isinstance(error, NobodyThere):
            context.notice("warning", f"{error}, what it tracks is not known: {error.hint}")
    context.around.touched = tuple(
        f"{version}: {removal.what} touches {schema}.{name}, which Hasura tracks"
        for version, removal in dropped
        for schema, name in sorted(tracked)
        if removal.hits(schema, name)
    )


def _removals(context: Context) -> Iterator[tuple[str, Removal]]:
    ups = [(m.version, m.up) for m in context.pending]
    downs = [(r.row.version, r.migration.down) for r in context.reversals]
    for version, source in (*ups, *downs):
        for text in _statements(context, source) if source else ():
            for removal in removals(text):
                yield version, removal


def _statements(context: Context, source: SourceFile) -> list[str]:
    try:
        return [statement.text for statement in context.script(source).statements]
    except InputError:
        # The step `history` is blocked by it and names the file.
        return []
