"""The scratch server of one proof: the schema as it is, planted, as databases to be copied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from nself_tasks.database.proof import catalog, rows
from nself_tasks.database.proof.confined import CATALOG_ONLY, PLANTER, ROLE, roles, session
from nself_tasks.database.proof.live import LOADER, CannotCopy, Live, load
from nself_tasks.database.proof.planting import Planted, plant
from nself_tasks.database.proof.replay import extensions_of, replay
from nself_tasks.database.proof.surroundings import fill_views, settings
from nself_tasks.database.proof.tables import Planting
from nself_tasks.database.servers.binaries import Installation, candidates
from nself_tasks.database.servers.scratch import ScratchServer, open_scratch
from nself_tasks.database.servers.sockets import socket_path
from nself_tasks.errors import InputError, ServerError
from nself_tasks.migrations.script import parse
from nself_tasks.model import Migration, Script

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

SCHEMA = "nself_schema"
_WORDS = Planting()
_PLANTING_SECONDS = 60.0
_MOST_MEMORY = 2 << 30
"""Bytes of addresses of one backend; a value may have one gigabyte."""
_ALONE = re.compile(r"nself_|postgres$|template[01]$")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A database with the schema and its rows, which a trial gets a copy of."""

    name: str
    before: catalog.Catalog
    contents: rows.Contents
    planted: Planted


class Ground:
    """A running scratch server with the project's schema."""

    def __init__(self, server: ScratchServer, live: Live | None = None) -> None:
        database, major = (live.database, live.major) if live else ("nself", None)
        self.server, self.live = server, live
        self.is_of_another_major = major not in (None, server.major)
        """Whether the live server may know something that this one does not, or the reverse."""
        self.major = major
        self.database = "nself" if _ALONE.match(database) else database
        """What the trial's database is called: as the real one, so that `ALTER DATABASE` fits."""
        self._prepared: dict[Planting, Prepared] = {}

    def prepared(self, planting: Planting = _WORDS) -> Prepared:
        """Give the schema with such rows, planted where that was not done yet."""
        if planting not in self._prepared:
            name = f"nself_{planting.flavour}_{len(self._prepared)}"
            self.copy(SCHEMA, name, owner="postgres")
            with session(self.server.url, name, PLANTER, seconds=_PLANTING_SECONDS) as planter:
                planted = plant(planter.connection, planting)
                contents = rows.read(planter.connection)
            with self.connect(name) as connection:
                before = catalog.read(connection)
            self._prepared[planting] = Prepared(name, before, contents, planted)
        return self._prepared[planting]

    @contextmanager
    def copied(self, prepared: Prepared) -> Iterator[None]:
        """Make a copy under the real name; it is dropped afterwards."""
        try:
            self.copy(prepared.name, self.database, owner=ROLE)
            yield
        finally:
            self.server.drop_database(self.database)

    def copy(self, source: str, name: str, *, owner: str) -> None:
        """Copy a database that nobody is connected to."""
        from psycopg import sql

        strategy = " STRATEGY file_copy" if self.server.major >= 15 else ""
        with self.connect("postgres") as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}" + strategy).format(
                    *map(sql.Identifier, (name, source, owner))
                )
            )
            for statement in settings(self.live, name) if self.live else ():
                admin.execute(statement)

    def connect(self, database: str, user: str = "postgres") -> Conn:
        """Connect as a superuser, who takes no name of the schema for the server's."""
        import psycopg

        return psycopg.connect(
            self.server.url,
            dbname=database,
            user=user,
            autocommit=True,
            options=CATALOG_ONLY,
        )


@contextmanager
def prepared_ground(
    live: Live | None,
    migrations: Sequence[Migration],
    *,
    installation: Installation | None = None,
) -> Iterator[Ground]:
    """Start a server that has what the schema needs, and bring the schema into it.

    `installation` is the one server to be tried. Raises ServerError, CannotCopy.
    """
    pending = [m for m in migrations if live is None or m.number not in live.applied]
    needed = set(live.extensions if live else ()) | set(extensions_of(_scripts(pending)))
    with ExitStack() as stack:
        ground = _started([installation] if installation else _in_order(live), live, needed, stack)
        _limit_memory(ground.server)
        with ground.connect("postgres") as admin:
            for statement in roles():
                admin.execute(statement.encode())
            admin.execute(f"CREATE ROLE {LOADER} LOGIN SUPERUSER")
            for database in ("postgres", "template1"):
                admin.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        ground.copy("template0", SCHEMA, owner=ROLE)
        with ground.connect(SCHEMA) as admin:
            if live is not None:
                with ground.connect(SCHEMA, LOADER) as loader:
                    load(live, admin, as_loader=loader)
                fill_views(live, ground.server.url, SCHEMA)
            replay(pending, ground.server.url, SCHEMA, admin)
            # Its owner could drop it, and so could every draft.
            admin.execute(f"ALTER DATABASE {SCHEMA} OWNER TO postgres")
        ground.prepared()
        yield ground


def _limit_memory(server: ScratchServer) -> None:
    """Let each backend that comes from now on have so much memory, where the system can do that."""
    host = parse_qs(urlsplit(server.url).query)["host"][0]
    lock = Path(host, f"{socket_path(Path(host)).name}.lock")
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        pid = int(lock.read_text().splitlines()[0])
        resource.prlimit(pid, resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))


def _scripts(migrations: Sequence[Migration]) -> Iterator[Script]:
    for migration in migrations:
        try:
            yield parse(migration.up)
        except InputError:
            continue


def _started(
    servers: Sequence[Installation], live: Live | None, needed: set[str], stack: ExitStack
) -> Ground:
    """Start the first server that has all extensions."""
    missing: dict[str, set[str]] = {}
    for found in servers:
        with ExitStack() as attempt:
            server = attempt.enter_context(open_scratch(installation=found))
            ground = Ground(server, live)
            with ground.connect("postgres") as admin:
                there = {r[0] for r in admin.execute("SELECT name FROM pg_available_extensions")}
            if needed <= there:
                stack.push(attempt.pop_all())
                return ground
            missing[f"PostgreSQL {found.major} ({found.kind})"] = needed - there
    if not missing:
        raise ServerError("no scratch server: no PostgreSQL server is installed here")
    lacks = "; ".join(f"{name} has no {', '.join(sorted(x))}" for name, x in missing.items())
    raise CannotCopy(f"no scratch server has the extensions of this schema: {lacks}")


def _in_order(live: Live | None) -> list[Installation]:
    """Give the servers that could be started, the target's own major before others."""
    found = list(candidates())
    if live is None:
        return found
    return sorted(found, key=lambda one: (one.major != live.major, one.major < live.tools.major))
