"""What the steps of `backups restore --database` do, each one once.

Until `swap` everything happens in a database that nobody knows; the one of today is not touched.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from nself_tasks.database import connection as connecting
from nself_tasks.database import exchange, fresh_database, restore_needs, sessions
from nself_tasks.database import marked_databases as marks
from nself_tasks.database.dump_script import renamed
from nself_tasks.database.servers.sockets import with_database
from nself_tasks.errors import BackupFailed
from nself_tasks.pipeline import claim, lineage

if TYPE_CHECKING:
    from nself_tasks.pipeline.database_restoration import DatabaseRestoration


def take_lock(restoration: DatabaseRestoration) -> dict[str, Any]:
    waited = restoration.lock()
    if not restoration.options.disconnect:
        # Looked at before the long work, too: whoever stays connected would make it be in vain.
        sessions.wait_until_gone(
            restoration.watcher,
            restoration.name,
            ours=(restoration.inside.pid,),
            wait=restoration.options.lock_wait,
            notice=restoration.notice,
        )
    return {"waited": waited}


def leftovers(restoration: DatabaseRestoration) -> list[str]:
    """Give the half-restored databases of killed restores of this project's database."""
    server, project = restoration.server, restoration.settings.project_name or ""
    found = [
        name
        for name, mark in marks.marked(server)
        if (mark.state, mark.of, mark.project) == ("restoring", restoration.name, project)
        and mark.run != restoration.run_id
        and not marks.is_alive(server, mark.run)
    ]
    unmarked = lineage.unmarked(restoration.settings.project, restoration.system)
    if unmarked and _is_only_made(restoration, unmarked):
        found.append(unmarked)
    return found


def _is_only_made(restoration: DatabaseRestoration, name: str) -> bool:
    """Tell whether a database is one that a restore made and died before it could mark it.

    A file of ours said so, and a stranger can write one: only an empty database of the name that a
    restore would give, in which nobody is, is taken for ours.
    """
    server = restoration.server
    if not marks.is_name_for(name, restoration.name, "restore"):
        return False
    if not marks.exists(server, name) or marks.comment_of(server, name) is not None:
        return False
    return fresh_database.is_empty(restoration.url, name)


def sweep(restoration: DatabaseRestoration) -> dict[str, Any]:
    found = leftovers(restoration)
    for name in found:
        # One without a mark has no session of ours: whoever is in it by now keeps it.
        marked = marks.comment_of(restoration.server, name) is not None
        marks.drop(restoration.server, name, force=marked)
        restoration.notice("note", f"dropped `{name}`, which a restore that was killed has left")
    return {"dropped": found}


def create(restoration: DatabaseRestoration) -> dict[str, Any]:
    server, project = restoration.server, restoration.settings.project
    marks.hold(server, restoration.run_id)
    name = marks.free_name(server, restoration.name, "restore", restoration.backup.id)
    lineage.making(project, name, restoration.system)
    restoration.fresh = name
    contents = restoration.require_contents()
    fresh_database.create(server, contents, name, restoration.mark("restoring"))
    lineage.made(project)
    restoration.identity = exchange.identity_of(server, name)
    return {"database": name}


def fill(restoration: DatabaseRestoration) -> dict[str, Any]:
    assert restoration.fresh is not None
    assert restoration.tools is not None
    fresh, tools = restoration.fresh, restoration.tools

    def told(seconds: float) -> None:
        restoration.progress(restore_needs.size(restoration.watcher, fresh), seconds)

    with closing(_connected(restoration)) as connection:
        tools.fill(connection, restoration.dump, progress=told)
    restoration.is_filled = True
    size = restore_needs.size(restoration.watcher, fresh)
    return {"bytes": size, "tool": tools.label}


def _connected(restoration: DatabaseRestoration) -> connecting.Conn:
    assert restoration.fresh is not None
    url = with_database(restoration.url, restoration.fresh)
    return connecting.connect(url, application=fresh_database.APPLICATION)


def complete(restoration: DatabaseRestoration) -> dict[str, Any]:
    with closing(_connected(restoration)) as connection:
        count = fresh_database.require_complete(connection, restoration.require_contents())
    restoration.is_complete = True
    return {"relations": count}


def describe(restoration: DatabaseRestoration) -> None:
    assert restoration.fresh is not None
    contents = restoration.require_contents()
    fresh_database.describe(restoration.server, contents, restoration.fresh)
    restoration.is_described = True


def swap(restoration: DatabaseRestoration) -> dict[str, Any]:
    server, facts, backup = restoration.server, restoration.facts, restoration.backup.id
    assert restoration.fresh is not None
    if facts is not None:
        restoration.kept = marks.free_name(server, restoration.name, "before_restore", backup)
        lineage.replaced(restoration.settings.project, facts.identity, by=str(restoration.identity))
    comment = restoration.require_contents().script.comment
    exchange.without_others(
        exchange.Exchange(
            fresh=restoration.fresh,
            name=restoration.name,
            kept=restoration.kept,
            mark=restoration.mark("kept"),
            comment=renamed(comment, restoration.name) if comment else None,
        ),
        server,
        restoration.watcher,
        inside=restoration.inside,
        disconnect=restoration.options.disconnect,
        wait=restoration.options.lock_wait,
        notice=restoration.notice,
    )
    restoration.has_swapped = True
    return {"database": restoration.name, "kept": restoration.kept}


def record(restoration: DatabaseRestoration) -> None:
    if restoration.facts is None:
        return
    if exchange.identity_of(restoration.watcher, restoration.name) != restoration.identity:
        raise BackupFailed(f"`{restoration.name}` is not the restored database: was it renamed?")
    # What an unfinished run has claimed is another database's now.
    claim.remove(restoration.settings.project)
