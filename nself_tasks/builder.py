"""Finds the Go `nself` on PATH and lets it build in a copy of the project, never in the project.

The bash CLI (0.x) would write v1 again and is never called, not even for its version: a file that
a shell runs (`#!/bin/sh`, `#!/usr/bin/env bash` …) is taken for it. The Go CLI is a native binary;
a script of another language is asked for its version like one. Installs of our own are passed
over: they would hand the command on to whatever `nself` comes next.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nself_tasks.delegation import others
from nself_tasks.project_copy import private_folder

VERSION_SECONDS = 10.0
BUILD_SECONDS = 120.0

_SHELL = re.compile(rb"(?:[\w.+-]*?(?:sh|busybox))[\d.-]*\Z")
_VERSION = re.compile(r"(?<![\w.])v?((\d{1,6})\.\d{1,6}\.\d{1,6})")
"""Not the one in `go1.24.1`."""
_OUR_NAME = b"nself_tasks"
_KEPT_FROM_IT = re.compile(r"DATABASE_URL|PG[A-Z0-9_]*|OLDPWD|NSELF_MIGRATE_HANDED_ON")
_OUTPUT = 65_536


@dataclass(frozen=True, slots=True)
class Builder:
    """A Go `nself`, found by its answer to `nself version`."""

    program: Path
    version: str

    def __str__(self) -> str:
        return f"nself {self.version}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended: its exit code (None: it took too long) and the last line that it said."""

    code: int | None
    last_line: str
    output: str = ""


def find(
    environ: Mapping[str, str], *, seconds: float = VERSION_SECONDS
) -> tuple[Builder | None, tuple[str, ...]]:
    """Give the first Go `nself` of 1.0 or later on PATH, and why those before it are none."""
    why: list[str] = []
    for program in others(Path(sys.argv[0]), environ):
        if (sort := _sort(program)) == "ours":
            continue
        if sort == "shell":
            why.append(f"`{program}` is a shell script: the bash CLI, which would write v1 again")
            continue
        version = _version(program.absolute(), environ, seconds)
        if isinstance(version, Builder):
            return version, tuple(why)
        why.append(f"`{program}` {version}")
    return None, tuple(why)


def _sort(program: Path) -> str:
    """Tell what a file is without running it."""
    try:
        with program.open("rb") as file:
            start = file.read(8192)
    except OSError:
        return "shell"
    if not start.startswith(b"#!"):
        return "native"
    if _OUR_NAME in start:
        return "ours"
    words = start[2:].split(b"\n", 1)[0].split()
    is_shell = any(_SHELL.match(word.rpartition(b"/")[2]) for word in words)
    return "shell" if is_shell or not words else "other"


def _version(program: Path, environ: Mapping[str, str], seconds: float) -> Builder | str:
    with private_folder() as folder:
        ended = call([str(program), "version"], folder, environ, seconds)
    if ended.code is None:
        return f"did not say its version within {seconds:g} seconds"
    found = _VERSION.search(ended.output)
    if ended.code != 0 or found is None:
        return "does not say its version"
    if int(found[2]) < 1:
        return f"is version {found[1]}, which would write v1 again"
    return Builder(program, found[1])


def call(arguments: list[str], folder: Path, environ: Mapping[str, str], seconds: float) -> Ended:
    """Run a program in a folder, without the database's address and with nothing on stdin.

    HOME stays what it is: the Go CLI has its licence and its plugins there. Whatever the program
    has started is gone when this returns, by timeout or Ctrl-C as well. A program that cannot be
    started ends with 127.
    """
    known = {k: v for k, v in environ.items() if not _KEPT_FROM_IT.fullmatch(k)}
    # A file and not a pipe: what the program leaves running could keep a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                arguments,
                cwd=folder,
                env={**known, "PWD": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Ended(127, f"{error.strerror}")
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _OUTPUT))
        said = output.read().decode("utf-8", "replace")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return Ended(code, lines[-1] if lines else "", said)
