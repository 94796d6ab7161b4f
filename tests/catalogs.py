"""Catalogs as text, and what psql makes of migration files: what our runs are held against."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.migrations.directory import collect
from nself_tasks.migrations.script import parse
from nself_tasks.model import SourceFile

# pg_dump draws a new key for this pair of lines each time.
_RESTRICT = re.compile(r"^\\(?:un)?restrict .*\n", re.MULTILINE)
_FAILED = re.compile(r"^psql:(?P<file>.+):(?P<line>\d+): ERROR:  (?P<message>.*)$", re.MULTILINE)

_DIGEST = "md5(string_agg(md5(t::text), '' ORDER BY md5(t::text)))"
_OF_KIND = (
    "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ({}) AND c.relnamespace <>"
    " ALL ('{{pg_catalog,information_schema,pg_toast}}'::regnamespace[]) ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Stop:
    """Where psql stopped: the file, its statement's number, and the server's message."""

    file: str
    statement: int
    message: str


def catalog(url: str, tools: Installation) -> str:
    """The schema of a database as pg_dump writes it, without our own history tables."""
    command = ["pg_dump", "--schema-only", "--no-password", "--exclude-table=public._nself_*"]
    done = _run(tools, [*command, f"--dbname={url}"])
    assert done.returncode == 0, done.stderr
    return _RESTRICT.sub("", done.stdout)


@dataclass(frozen=True, slots=True)
class Contents:
    """All of a database that a dump has to bring back."""

    schema: str
    """As pg_dump writes it, with owners, rights, comments and the database's own settings."""
    rows: dict[str, tuple[int, str]]
    """Number and digest of the rows of every table and materialised view."""
    sequences: dict[str, tuple[object, ...]]
    large_objects: dict[int, str]
    size: int
    """Bytes on the server's disk."""


def contents(url: str, tools: Installation) -> Contents:
    """Everything in a database, to be compared with what it is after a restore."""
    import psycopg

    command = ["pg_dump", "--schema-only", "--create", "--no-password", f"--dbname={url}"]
    done = _run(tools, command)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(url, autocommit=True) as connection:

        def named(query: str) -> list[str]:
            return [name for (name,) in connection.execute(query)]  # type: ignore[arg-type]

        rows, sequences = {}, {}
        for name in named(_OF_KIND.format("'r', 'm'")):
            query = f"SELECT count(*), {_DIGEST} FROM {name} AS t"
            rows[name] = tuple(connection.execute(query).fetchone() or ())
        for name in named(_OF_KIND.format("'S'")):
            query = f"SELECT last_value, is_called FROM {name}"
            sequences[name] = tuple(connection.execute(query).fetchone() or ())
        objects = connection.execute(
            "SELECT oid, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid"
        ).fetchall()
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert size
    return Contents(_RESTRICT.sub("", done.stdout), rows, sequences, dict(objects), size[0])


def psql(url: str, tools: Installation, file: Path, *, in_one_transaction: bool = True) -> str:
    """Run a file as psql does; gives what it says when it stops at an error, else nothing."""
    command = ["psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]
    if in_one_transaction:
        command.append("--single-transaction")
    done = _run(tools, [*command, f"--dbname={url}", f"--file={file}"])
    assert bool(done.returncode) == bool(_FAILED.search(done.stderr)), done.stderr
    return done.stderr if done.returncode else ""


def replay(url: str, tools: Installation, folder: Path) -> Stop | None:
    """Run a folder's up files with psql in the order of their versions, up to its first error."""
    for up in ups(folder):
        script = parse(up)
        told = psql(url, tools, folder / up.path, in_one_transaction=script.in_one_transaction)
        if told:
            found = _FAILED.search(told)
            assert found
            return Stop(up.path.name, number_of(up, int(found["line"])), found["message"])
    return None


def ups(folder: Path) -> list[SourceFile]:
    """The up files of a folder in the order in which they apply."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return [m.up for m in collect((PurePosixPath(p.name), p.read_bytes()) for p in files)]


def number_of(source: SourceFile, line: int) -> int:
    """The number of the statement that a line of a file belongs to."""
    return sum(1 for statement in parse(source).statements if statement.line <= line)


def _run(tools: Installation, command: Iterable[str]) -> subprocess.CompletedProcess[str]:
    program, *arguments = command
    return subprocess.run(
        [tools.program(program), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
