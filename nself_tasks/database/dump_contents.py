"""What a dump holds and what it needs, as its own `pg_restore` reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nself_tasks.database import dump_script
from nself_tasks.database.dump_script import DumpScript
from nself_tasks.database.pg_restore import PgRestore
from nself_tasks.errors import BackupFailed

_SERVER = re.compile(r"^;\s+Dumped from database version: (\d+)", re.MULTILINE)
_PROGRAM = re.compile(r"^;\s+Dumped by pg_dump version: (\d+)", re.MULTILINE)
_NAME = re.compile(r"^;\s+dbname: (.*)$", re.MULTILINE)
_RELATION = re.compile(
    r"^\d+; 1259 \d+ (?:TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|FOREIGN TABLE) (?!DATA )",
    re.MULTILINE,
)
_LARGE_OBJECT = re.compile(r"^\d+; 2613 \d+ BLOB(?: METADATA)? - \S+ (?P<owner>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DumpContents:
    """A dump that was read: where it is from, how much is in it, what it needs of a server."""

    server_major: int
    """Of the server that was dumped."""
    program_major: int
    """Of the pg_dump that did it."""
    database: str
    entries: int
    relations: int
    """Tables, views and sequences in it."""
    script: DumpScript

    @property
    def roles(self) -> frozenset[str]:
        """The roles that own something or are given rights in it."""
        return frozenset(self.script.roles)


def read(program: PgRestore, dump: Path) -> DumpContents:
    """Read a dump's table of contents and its script. Raises BackupFailed."""
    listed = _said(program, dump, "--list")
    server, dumped_by = _SERVER.search(listed), _PROGRAM.search(listed)
    if server is None or dumped_by is None:
        raise BackupFailed(
            f"`{dump.name}` does not say which PostgreSQL it is from",
            hint="take another backup: `nself migrate backups` lists them; nothing was changed",
            database="unchanged",
        )
    script = _said(program, dump, "--create", "--schema-only", "--file=-")
    name = _NAME.search(listed)
    found = dump_script.read(script)
    # A dump of the schema alone says nothing of who owns the large objects.
    owners = {match["owner"] for match in _LARGE_OBJECT.finditer(listed)}
    found.roles |= owners
    found.owners |= owners
    return DumpContents(
        server_major=int(server[1]),
        program_major=int(dumped_by[1]),
        database=name[1] if name else "",
        entries=sum(1 for line in listed.splitlines() if line and not line.startswith(";")),
        relations=len(_RELATION.findall(listed)),
        script=found,
    )


def _said(program: PgRestore, dump: Path, *arguments: str) -> str:
    done = program.read(dump, *arguments)
    if done.returncode != 0:
        raise BackupFailed(
            "the dump cannot be read by `pg_restore`",
            detail=done.stderr.strip(),
            hint="take another backup: `nself migrate backups` lists them; nothing was changed",
            database="unchanged",
        )
    return done.stdout
