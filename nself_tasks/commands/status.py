"""`status`: every migration as files and history see it together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nself_tasks.compose_target import with_way_in
from nself_tasks.errors import ConnectionFailed, InputError
from nself_tasks.migrations.directory import collect
from nself_tasks.migrations.masked import masked_difference
from nself_tasks.migrations.reconcile import Standing, reconcile
from nself_tasks.migrations.script import parse
from nself_tasks.model import Report
from nself_tasks.project import read_migration_files
from nself_tasks.schema_history import History

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.pipeline.context import Notice
    from nself_tasks.settings import Settings


def status(settings: Settings, *, strict: bool, notice: Notice, wait_for_db: float = 0.0) -> Report:
    """Give the state of every migration; with `strict` exit 1 for anything but applied.

    Raises InputError for a folder that cannot be read, ConnectionFailed without a database.
    """
    migrations = collect(read_migration_files(settings.project))
    if settings.target.url is None and not settings.target.embedded:
        raise ConnectionFailed(
            settings.target.source,
            hint="set DATABASE_URL, or give `--database-url`",
            database="unchanged",
        )
    from nself_tasks.database import connection as connecting
    from nself_tasks.database import history
    from nself_tasks.database.target import open_for_planning
    from nself_tasks.database.waiting import until_it_answers

    with open_for_planning(settings.target, settings.project.root) as url:
        if url is None:
            return _report(settings, reconcile(migrations, History(exists=False)), {}, strict, None)
        try:
            until_it_answers(url, wait_for_db, notice)
            connection = connecting.connect(url, application="nself-migrate status", read_only=True)
        except ConnectionFailed as error:
            raise with_way_in(settings, error) from None
        try:
            found = history.read(connection)
            standings = reconcile(migrations, found)
            details = {s.version: _difference(connection, s) for s in standings}
        finally:
            connection.close()
    label = found.meta.environment if found.meta else None
    chosen = settings.environment
    if label and chosen.source != "default" and label != chosen.name:
        notice("warning", f"the database is labelled {label}, the environment is {chosen.name}")
    return _report(settings, standings, details, strict, label)


def _difference(connection: Conn, standing: Standing) -> str:
    """Give a diff of what was applied and what the file says now, for an edited migration."""
    from nself_tasks.database import history
    from nself_tasks.database.work import recorded_sql

    if standing.state not in ("edited", "partial") or not standing.row or not standing.migration:
        return ""
    if standing.row.checksum == standing.migration.up.checksum:
        return ""
    before, _ = history.recorded(connection, standing.row.id)
    after = standing.migration.up
    try:
        # COPY data is recorded as a digest only: hold like against like.
        text = recorded_sql(parse(after))
    except InputError:
        text = after.text
    return masked_difference(before, text, "as applied", str(after.path))


def _report(
    settings: Settings,
    standings: tuple[Standing, ...],
    details: dict[str, str],
    strict: bool,
    label: str | None,
) -> Report:
    rows: list[dict[str, Any]] = []
    for s in standings:
        in_force = s.row if s.row and s.row.state != "partial" else None
        rows.append(
            {
                "version": s.version,
                "name": s.name,
                "state": s.state,
                "path": str(s.migration.up.path) if s.migration else None,
                "has_down": bool(s.migration and s.migration.down),
                "applied_at": in_force.applied_at if in_force else None,
                "applied_by": in_force.applied_by if in_force else None,
                "execution_ms": in_force.execution_ms if in_force else None,
                "notes": list(s.notes),
                "detail": details.get(s.version, ""),
            }
        )
    counts = Counter(s.state for s in standings)
    data = {
        "target": settings.target.shown,
        "environment": settings.environment.name,
        "label": label,
        "migrations": rows,
        "summary": dict(counts),
    }
    clean = all(s.state == "applied" for s in standings)
    return Report("status", 0 if clean or not strict else 1, data)
