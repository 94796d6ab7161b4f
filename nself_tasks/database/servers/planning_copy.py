"""The embedded database as a plan may see it: without a byte changed in the project.

A server that runs is asked. One that does not is not started, because a start writes: its data is
copied out of the project and a throw-away server runs on the copy.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.cluster import LEAVING_SECONDS, Cluster, listening
from nself_tasks.database.servers.embedded import DATABASE, database_exists
from nself_tasks.database.servers.embedded_home import EmbeddedHome, home_of, programs_for
from nself_tasks.database.servers.locks import held_without_a_trace, is_free_within
from nself_tasks.database.servers.scratch import throw_away
from nself_tasks.database.servers.sockets import server_url
from nself_tasks.errors import ServerError

NOT_COPIED = ("postmaster.pid", "postmaster.opts", "pg_stat_tmp")


@contextmanager
def open_copy_for_planning(
    project: Path, database: str = DATABASE, *, installation: Installation | None = None
) -> Iterator[str | None]:
    """Yield the URL of the embedded database or of a copy, or None where there is no database yet.

    While the URL is in use the server is kept from being stopped; it is never stopped by us. The
    connection is the superuser's: whoever plans on it has to keep from writing (the URL of a copy
    and of the real thing look alike). Raises ServerError as `open_embedded` does.
    """
    home = home_of(project)
    if home.major() is None:
        yield None
        return
    programs = programs_for(home, installation)
    with ExitStack() as using:
        using.enter_context(held_without_a_trace(home.users_lock))
        starting = using.enter_context(ExitStack())
        starting.enter_context(held_without_a_trace(home.start_lock))
        folder = listening(home.data, home.data.stat().st_uid)
        if folder is None:
            _refuse_what_cannot_be_copied(home)
            folder = using.enter_context(
                throw_away(programs, lambda cluster: _copy(home.data, cluster))
            )
        starting.close()
        found = database_exists(server_url(folder), database)
        yield server_url(folder, database) if found else None


def _refuse_what_cannot_be_copied(home: EmbeddedHome) -> None:
    if not is_free_within(home.server_lock, LEAVING_SECONDS):
        raise ServerError(
            f"a server on {home.data} is running, but does not answer",
            hint="stop it where it was started, perhaps in another container; its process id is "
            "the first line of data/postmaster.pid",
        )
    tablespaces = home.data / "pg_tblspc"
    if tablespaces.is_dir() and any(tablespaces.iterdir()):
        raise ServerError(
            "the embedded database has tablespaces outside its folder, which a plan cannot copy",
            hint="keep the embedded server running in another terminal while you plan",
        )


def _copy(data: Path, cluster: Cluster) -> None:
    """Copy the data of a server that does not run; one that crashed recovers in the copy."""
    try:
        shutil.copytree(data, cluster.data_dir, ignore=shutil.ignore_patterns(*NOT_COPIED))
    except (shutil.Error, OSError) as error:
        raise ServerError(f"cannot copy {data} for the plan: {error}") from error
    (cluster.data_dir / "pg_stat_tmp").mkdir(mode=0o700, exist_ok=True)
    cluster.account.give_tree(cluster.data_dir)
