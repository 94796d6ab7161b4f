"""A durable Postgres server of a test's own, to be killed, or to run out of disk."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.cluster import Cluster
from nself_tasks.database.servers.ownership import account_for
from nself_tasks.database.servers.profiles import DURABLE
from nself_tasks.database.servers.sockets import server_url
from nself_tasks.errors import ServerError


@dataclass
class OwnServer:
    """A durable server of this test's own, to be killed."""

    cluster: Cluster

    @property
    def url(self) -> str:
        return server_url(self.cluster.socket_dir)

    def kill(self) -> None:
        """End the postmaster and all its processes by SIGKILL, before any does another thing.

        With the postmaster alone dead, a backend answers once more before it notices, or gets a
        lock from one that noticed first, and commits.
        """
        try:
            told = (self.cluster.data_dir / "postmaster.pid").read_text()
            postmaster = int(told.splitlines()[0])
            running = Path(f"/proc/{postmaster}/cmdline").read_text()
        except FileNotFoundError:
            return
        # The number of one that is gone may be somebody else's by now.
        if str(self.cluster.data_dir) not in running:
            return
        # It makes no more of them once it stands still.
        os.kill(postmaster, signal.SIGSTOP)
        everyone = [postmaster, *_children(postmaster)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in everyone:
                with suppress(ProcessLookupError):
                    os.kill(process, number)


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # After the name, which may hold anything: the state, then the parent.
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


@contextmanager
def own_server(programs: Installation, folder: Path) -> Iterator[OwnServer]:
    """A server whose data lies in a folder, which has a short path for its socket."""
    account, usable = account_for(programs, folder)
    account.give(folder)
    cluster = Cluster(usable, account, folder / "data", folder / "s", DURABLE)
    cluster.initialise()
    cluster.start()
    server = OwnServer(cluster)
    try:
        yield server
    finally:
        try:
            cluster.stop()
        except ServerError:
            # Its test has killed it, or it is beyond being told.
            server.kill()
