"""What state the database is in after a run, in words that are true."""

from __future__ import annotations

from dataclasses import dataclass

from nself_tasks.compose_target import with_way_in
from nself_tasks.errors import ConnectionFailed, DatabaseState, MigrationFailed, NselfError
from nself_tasks.intent import intent_path
from nself_tasks.pipeline.context import Context
from nself_tasks.pipeline.install import installed
from nself_tasks.plugins import again


@dataclass(frozen=True, slots=True)
class After:
    """What the database says when a run has ended."""

    state: DatabaseState
    changed: tuple[str, ...] = ()


def sentence(context: Context, after: After, cause: BaseException, step: str | None) -> str:
    """Say the state of the database, and of the files of an upgrade, in words."""
    said = [_of_database(context, after, cause, step)] if context.uses_database else []
    if context.goal == "run" and not context.upgrade.is_empty:
        said.append(_of_files(context))
    return " ".join(said)


def _of_files(context: Context) -> str:
    count, total = len(installed(context)), len(context.upgrade.entries)
    if intent_path(context.settings.project).exists():
        of = again(context.settings.project)
        return (
            f"{count} of {total} files of the project are upgraded: `nself migrate run{of}`"
            f" finishes it, `nself migrate rollback --files{of}` puts them back."
        )
    if count == total:
        return f"All {total} files of the project are upgraded."
    return "No file of the project was changed by this run."


def _of_database(context: Context, after: After, cause: BaseException, step: str | None) -> str:
    verb = "applied" if context.goal == "run" else "rolled back"
    stay = ""
    if after.changed:
        many = len(after.changed) != 1
        stay = (
            f" {len(after.changed)} migration{'s' if many else ''} {verb} in this run"
            f" stay{'' if many else 's'} {verb}: {', '.join(after.changed)}."
        )
    facts = cause.facts if isinstance(cause, NselfError) else {}
    version = facts.get("version")
    if isinstance(cause, KeyboardInterrupt) and (step or "").count(":") == 2:
        stage, at = (step or "").split(":")[1:]
        version = at if stage in ("apply", "revert") else None
    if after.state == "unknown":
        return "Nobody could be asked what state the database is in." + stay
    if after.state == "partial":
        partial = [r for r in context.history.rows if r.state == "partial"]
        came = "applied" if partial[0].direction == "up" else "rolled back"
        return (
            f"{', '.join(r.version for r in partial)} is partly {came}:"
            " its statements up to the failed one stay." + stay
        )
    if version and isinstance(cause, MigrationFailed) and _done_by_another(context, after, version):
        return f"{version} was {verb} by another run." + stay
    whole_run = context.options.atomic or not version
    before = " before this run" if whole_run else f" before {version}"
    if stay and not version:
        return stay.lstrip()
    return f"The database is as it was{before}." + stay


def _done_by_another(context: Context, after: After, version: str) -> bool:
    """Whether the database shows done what this run has failed to do."""
    done = context.is_applied(version) == (context.goal == "run")
    return done and version not in after.changed


def with_ways_out(context: Context, error: ConnectionFailed) -> ConnectionFailed:
    """Give the error with what an upgrade of files can do while its database is down."""
    with_way_in(context.settings, error)
    if not context.upgrade.is_empty:
        error.hint = (
            f"{error.hint}. `docker compose up -d postgres` starts the project's own;"
            " `--files-only` upgrades the files alone. Nothing was changed"
        )
    return error


def nothing_to_do(context: Context) -> str:
    if context.goal == "rollback":
        return "nothing to roll back"
    applied = sum(1 for row in context.history.rows if row.state == "applied")
    bound = " at or below the bound" if context.options.to is not None else ""
    return f"nothing to do: no migration is pending{bound}, {applied} applied"
