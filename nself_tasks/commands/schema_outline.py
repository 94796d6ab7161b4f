"""The schema that a draft is written for: the database's with what is pending, else the files'."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nself_tasks.drafting import from_text
from nself_tasks.drafting.tables import Outline
from nself_tasks.errors import InputError, NselfError
from nself_tasks.migrations.directory import collect
from nself_tasks.model import Migration
from nself_tasks.project import read_migration_files

if TYPE_CHECKING:
    from nself_tasks.pipeline.context import Notice
    from nself_tasks.settings import Settings


def read_schema(settings: Settings, notice: Notice) -> tuple[Outline, tuple[str, ...]]:
    """Give the schema and the names of the migrations; nothing is written anywhere."""
    migrations = _migrations(settings, notice)
    names = tuple(migration.name for migration in migrations)
    try:
        found = _of_database(settings, migrations)
    except NselfError as error:
        notice("note", f"the schema is read from the migration files: {error.message}")
        found = None
    return found or from_text.outline(m.up.text for m in migrations), names


def _migrations(settings: Settings, notice: Notice) -> tuple[Migration, ...]:
    try:
        return collect(read_migration_files(settings.project))
    except InputError as error:
        # A file that `run` would refuse is no reason to refuse a draft of another one.
        notice("warning", f"{error.message}: the draft is written without them")
        return ()


def _of_database(settings: Settings, migrations: tuple[Migration, ...]) -> Outline | None:
    """Give the live schema with the pending migrations on top; None without a database."""
    target = settings.target
    if target.url is None and not target.embedded:
        return None
    from nself_tasks.database.outline import read_target

    found, applied = read_target(target, settings.project.root)
    pending = [m.up.text for m in migrations if m.number not in applied]
    if found is None or not pending:
        return found
    source = f"{found.source}, with {len(pending)} pending migrations"
    return replace(from_text.outline(pending, found), source=source)
