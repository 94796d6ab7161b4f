"""The error tree: every failure says what, where, what state things are in, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

# NamedTuple and not a dataclass below: `dataclasses` imports `inspect`, 8 ms of every `--help`.

DatabaseState = Literal["unchanged", "advanced", "partial", "unknown"]


class Problem(NamedTuple):
    """One thing that is wrong, at one place; several of them make one error."""

    message: str
    path: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}: " if self.line else f"{self.path}: " if self.path else ""
        return where + self.message


class NselfError(Exception):
    """A failure that its message explains; `hint` is what to do next, exit code 1."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        problems: Sequence[Problem] = (),
        detail: str | None = None,
        facts: dict[str, Any] | None = None,
        database: DatabaseState | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)
        self.detail = detail
        """Lines shown under the message: an excerpt with a caret, a diff, the server's detail."""
        self.facts = facts or {}
        """Plain data for `--json`: version, path, line, sqlstate …"""
        self.database: DatabaseState | None = database


class UsageError(NselfError):
    """The command line or the project cannot mean anything: exit code 2."""

    exit_code = 2
    code = "usage"


class InputError(NselfError):
    """Migration files that cannot be run; `problems` lists all of them."""

    code = "input"


class HistoryError(NselfError):
    """Files and the schema history disagree: edited, missing, out of order."""

    code = "history"


class ConnectionFailed(NselfError):
    """No usable connection to the target database."""

    code = "connection"


class NotReady(ConnectionFailed):
    """No connection now, and nothing says that there will be none in a moment."""


class LockNotAcquired(NselfError):
    """Somebody else is running; the message names who, since when."""

    code = "lock"


class MigrationFailed(NselfError):
    """A statement of a migration failed; `facts` has version, path, line, sqlstate."""

    code = "migration"


class BackupFailed(NselfError):
    """No verified backup could be made; nothing was changed."""

    code = "backup"


class ServerError(NselfError):
    """A Postgres that we start ourselves is missing or did not start."""

    code = "server"


class GraphError(NselfError):
    """The task graph is wrong; `problems` lists every fault."""

    code = "graph"


class GuardError(NselfError):
    """Refused by a guard: the environment, the server, or another project's database."""

    code = "guard"


def unexpected(error: BaseException) -> NselfError:
    """Give the error for what nobody caught: the system's word, the server's, or our own fault."""
    import traceback

    said = " ".join(str(error).split())
    if type(error).__module__.split(".")[0] == "psycopg":
        sqlstate = getattr(error, "sqlstate", None)
        return ConnectionFailed(
            f"the server {f'refused ({sqlstate})' if sqlstate else 'ended the work'}: {said}",
            hint="look at the server and at the rights of this database user, then run the same"
            " command again",
        )
    if isinstance(error, OSError):
        return NselfError(
            f"{error.filename or 'a file'}: {error.strerror or said}",
            hint="mend that, then run the same command again",
        )
    return NselfError(
        f"{type(error).__name__}: {said}",
        detail="".join(traceback.format_exception(error)),
        hint="this is a fault of `nself migrate`: please report it with the lines above;"
        " `nself migrate status` says what state things are in",
    )
