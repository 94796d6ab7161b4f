"""What stands in the way of a restore, asked before anything: the backup, the pair, the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks import backup_catalog
from nself_tasks.backup_catalog import StoredBackup
from nself_tasks.database import connection as connecting
from nself_tasks.database import dump_contents, dump_tool, restore_needs, sessions
from nself_tasks.database import marked_databases as marks
from nself_tasks.database.dump_tool import FindStack
from nself_tasks.database.pg_restore import PgRestore
from nself_tasks.errors import BackupFailed, GuardError, NselfError, Problem, UsageError
from nself_tasks.model import Environment
from nself_tasks.pipeline import lineage
from nself_tasks.pipeline.dump_choice import find_stack

if TYPE_CHECKING:
    from nself_tasks.pipeline.database_restoration import DatabaseRestoration


def check(restoration: DatabaseRestoration) -> bool:
    """Raise what stands in the way; gives False, because it always looks and changes nothing."""
    if not restoration.is_checked:
        restore_needs.require_primary(restoration.server)
    check_backup(restoration)
    _check_target(restoration)
    contents = restoration.require_contents()
    restore_needs.check_pair(restoration.server.info.server_version // 10_000, contents)
    if restoration.tools is None:
        restoration.tools = _tools(restoration)
    facts = restoration.facts
    restore_needs.check(
        restoration.server, contents, target=facts.database if facts is not None else None
    )
    if facts is not None and (found := sessions.prepared(restoration.server, facts.database)):
        raise GuardError(
            f"`{facts.database}` cannot be replaced: transactions are prepared in it",
            problems=found,
            hint="finish them, then run again; nothing was changed",
            database="unchanged",
        )
    warning = restore_needs.check_space(
        restoration.server,
        dump=restoration.dump_size,
        database=restore_needs.size(restoration.server, facts.database) if facts else 0,
    )
    if warning and not restoration.is_checked:
        restoration.notice("note", warning)
    restoration.is_checked = True
    return False


def check_backup(restoration: DatabaseRestoration) -> None:
    """Raise BackupFailed for a backup that is not whole; reads what the dump holds."""
    backup = restoration.backup
    require_database(backup)
    if not restoration.is_whole and (problems := backup_catalog.verified(backup)):
        raise _not_whole(backup, problems)
    restoration.is_whole = True
    if restoration.contents is None:
        assert backup.database is not None
        major = int(backup.database["server_version"]) // 10_000
        tools = reading_tools(major, lambda: find_stack(restoration.settings))
        restoration.contents = dump_contents.read(tools, restoration.dump)


def _not_whole(backup: StoredBackup, problems: tuple[Problem, ...]) -> BackupFailed:
    return BackupFailed(
        f"the backup `{backup.id}` is not whole",
        problems=problems,
        hint="`nself migrate backups verify` says which ones are; nothing was changed",
        database="unchanged",
    )


def require_complete(backup: StoredBackup) -> None:
    """Raise BackupFailed for what a look tells: no manifest of ours, a copy missing or cut."""
    if backup.problems:
        raise _not_whole(backup, backup.problems)


def require_database(backup: StoredBackup) -> None:
    """Raise NselfError for a backup that holds no dump of the database."""
    if backup.database is None:
        raise NselfError(
            f"the backup `{backup.id}` holds no dump of the database",
            hint="`nself migrate backups` says which ones do; nothing was changed",
            database="unchanged",
        )


def reading_tools(major: int, stack: FindStack) -> PgRestore:
    """Give a pg_restore that reads dumps of this major. Raises BackupFailed where there is none."""
    if (found := dump_tool.reading(major, stack)) is None:
        raise _no_program(major, f"no `pg_restore` of PostgreSQL {major} or newer was found")
    return found


def _tools(restoration: DatabaseRestoration) -> PgRestore:
    contents, facts = restoration.require_contents(), connecting.facts(restoration.server)
    found = dump_tool.restoring(
        restoration.server,
        facts,
        contents.program_major,
        lambda: find_stack(restoration.settings),
    )
    if found is not None:
        return found
    raise _no_program(
        facts.major,
        f"no `pg_restore` was found that reads a dump of pg_dump {contents.program_major} and suits"
        f" PostgreSQL {facts.major}",
    )


def _no_program(major: int, message: str) -> BackupFailed:
    return BackupFailed(
        message,
        hint=f"install the client tools (Debian: `postgresql-client-{major}`) or set"
        " NSELF_PG_BINDIR; nothing was changed",
        database="unchanged",
    )


def _check_target(restoration: DatabaseRestoration) -> None:
    """Refuse a name that is taken, and a database that the backup is not from."""
    into, facts = restoration.options.into, restoration.facts
    if into is not None:
        if not into.strip() or len(into.encode()) > marks.LONGEST_NAME:
            raise UsageError(
                f"`--into` names no database: 1 to {marks.LONGEST_NAME} bytes",
                hint="give the name of a database that is not there yet",
            )
        if marks.exists(restoration.server, into):
            raise GuardError(
                f"the database `{into}` is there already, and `--into` makes a new one",
                hint="give another name, or leave `--into` out to replace the target",
                database="unchanged",
            )
        return
    assert facts is not None
    replace = restoration.options.replace
    if replace is not None and replace != facts.database:
        raise UsageError(
            f"`--replace {replace}`, but the target is the database `{facts.database}`",
            hint="check DATABASE_URL and the name; nothing was changed",
            database="unchanged",
        )
    if replace is None and (problems := differences(restoration)):
        raise GuardError(
            "this would replace another database than the one the backup is from",
            problems=problems,
            hint=f"`--into NAME` restores beside it, into a new database; `--replace"
            f" {facts.database}` replaces it all the same",
            database="unchanged",
        )


def differences(restoration: DatabaseRestoration) -> list[Problem]:
    """Give what tells the target from the database that was backed up."""
    manifest, facts = restoration.backup.database, restoration.facts
    assert manifest is not None
    assert facts is not None
    settings, meta = restoration.settings, restoration.before.meta
    found = []
    if manifest["identity"] not in lineage.of_target(restoration):
        found.append(
            Problem(
                f"the target is `{facts.database}` ({facts.identity}), the backup is of"
                f" `{manifest.get('database', '?')}` ({manifest['identity']})"
            )
        )
    chosen = settings.environment
    label = meta.environment if meta else chosen.name
    if (taken_in := manifest.get("environment")) and taken_in != label:
        found.append(Problem(f"the target is {label}, the backup was taken in {taken_in}"))
    if chosen.source != "default" and chosen.name != label:
        found.append(Problem(f"the target is labelled {label}, the environment is {chosen.name}"))
    own = settings.project_name
    if meta and own and meta.project and meta.project != own:
        found.append(
            Problem(f"the target belongs to the project `{meta.project}`, this is `{own}`")
        )
    return found


def strictest(restoration: DatabaseRestoration) -> Environment:
    """Give the strictest of the chosen environment, the target's label and the backup's."""
    found = [restoration.settings.environment]
    if restoration.facts is not None and (meta := restoration.before.meta):
        found.append(Environment(meta.environment, "the database's label"))
    if restoration.backup.database and restoration.facts is not None:
        name = restoration.backup.database.get("environment")
        found += [Environment(str(name), "the backup's")] if name else []
    return max(found, key=lambda environment: environment.strictness)
