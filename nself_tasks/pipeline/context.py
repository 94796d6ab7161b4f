"""Everything that the creators close over: files, history, options, the session of the run."""

from __future__ import annotations

import os
import socket
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from nself_tasks import __version__
from nself_tasks.errors import HistoryError, NselfError
from nself_tasks.migrations.directory import collect
from nself_tasks.migrations.reconcile import Standing, reconcile, to_apply, to_revert
from nself_tasks.migrations.script import parse
from nself_tasks.model import Migration, Script, SourceFile
from nself_tasks.pipeline import claim as claims
from nself_tasks.pipeline import guards, runnable
from nself_tasks.pipeline.before import Before
from nself_tasks.pipeline.options import Options, Reversal
from nself_tasks.pipeline.surroundings import Surroundings
from nself_tasks.pipeline.upgrade_plan import NO_UPGRADE, UpgradePlan, look
from nself_tasks.project import read_migration_files
from nself_tasks.schema_history import History, HistoryRow, ServerFacts
from nself_tasks.storage import ensure_private, state_dir

if TYPE_CHECKING:
    from nself_tasks.database.session import Session
    from nself_tasks.settings import Settings

Notice = Callable[[str, str], None]


@dataclass
class Context:
    """One run or rollback: what is there, what is wanted, and the means to do it."""

    settings: Settings
    options: Options
    goal: Literal["run", "rollback"] = "run"
    notice: Notice = lambda level, text: None
    session: Session | None = None
    """None for a plan and for a graph without a database."""
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    history: History = field(default_factory=lambda: History(exists=False))
    facts: ServerFacts | None = None
    claim: claims.Claim | None = None
    reversals: tuple[Reversal, ...] = ()
    upgrade: UpgradePlan = NO_UPGRADE
    """What becomes of the project's files; empty for a rollback and under `--schema-only`."""
    files_backup: str | None = None
    around: Surroundings = field(default_factory=Surroundings)
    files_locked: ExitStack | None = None
    """What gives the lock on the files back."""
    before: Before = field(default_factory=Before)
    stale: bool = False
    loaded: tuple[Any, ...] = ()
    applied: set[int] = field(default_factory=set)
    """The versions that the database has confirmed: reading all rows after each step would make a
    run quadratic."""
    waiting: deque[Migration] = field(default_factory=deque)
    """The migrations of the chain that are not applied yet, in order."""
    _scripts: dict[SourceFile, Script] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.load_files()
        if self.goal == "run" and not self.options.schema_only:
            self.upgrade = look(self.settings, self.options)
        if self.upgrade.unfinished is not None:
            self.files_backup = self.upgrade.unfinished.backup

    @property
    def uses_database(self) -> bool:
        """Whether the database is asked: not for files alone, nor without a migrations folder."""
        if self.options.files_only:
            return False
        has_folder = self.settings.project.migrations_dir.is_dir()
        return self.goal == "rollback" or bool(self.migrations) or has_folder

    def load_files(self) -> None:
        """Read the migration files again. Raises InputError with every problem of the folder."""
        self.migrations = collect(read_migration_files(self.settings.project))
        self._forget()

    def _forget(self) -> None:
        self.__dict__.pop("standings", None)
        self.__dict__.pop("_by_number", None)

    def set_history(self, history: History) -> None:
        """Take what the database says is applied."""
        self.history = history
        self.applied = {row.number for row in history.rows if row.state == "applied"}
        self._forget()

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Files and history held against each other."""
        return reconcile(self.migrations, self.history)

    @property
    def pending(self) -> tuple[Migration, ...]:
        """The migrations that this run is to apply."""
        if self.goal != "run":
            return ()
        return to_apply(self.standings, to=self.options.to)

    @property
    def listed(self) -> tuple[Migration, ...]:
        """The migrations that have a step: the pending ones, or all up to the bound (`unfold`)."""
        if not self.options.unfold:
            return self.pending
        bound = self.options.to
        return tuple(m for m in self.migrations if bound is None or m.number <= bound)

    @property
    def rows_to_revert(self) -> tuple[HistoryRow, ...]:
        """The rows that this rollback is to undo, the most recently applied first."""
        return to_revert(self.history, steps=self.options.steps, to=self.options.to)

    @property
    def work_to_do(self) -> bool:
        """Whether anything is to be changed in the database."""
        if self.goal == "rollback":
            return bool(self.rows_to_revert)
        return bool(self.pending) or self.only_relabels

    @property
    def only_relabels(self) -> bool:
        """Whether the new label of `--relabel` is all that a run has to write."""
        return self.options.relabel and self.history.exists and not self.pending

    def script(self, source: SourceFile) -> Script:
        """Cut a file into statements, once. Raises InputError."""
        if source not in self._scripts:
            self._scripts[source] = parse(source)
        return self._scripts[source]

    def fingerprint(self) -> tuple[Any, ...]:
        """Give what the graph was built from: another value after the lock makes it stale."""
        files = tuple(
            (m.version, m.up.checksum, m.down and m.down.checksum) for m in self.migrations
        )
        rows = tuple((r.id, r.state, r.direction) for r in self.history.rows)
        return files, rows, self.history.meta

    def check(self) -> None:
        """Raise what stands in the way: GuardError, HistoryError or InputError; changes nothing."""
        guards.check_environment(self)
        guards.check_history(self)
        if self.goal == "run":
            runnable.check_scripts(self)
        else:
            runnable.check_reversals(self)

    def state_of(self, version: str) -> str:
        """Give the state of one version now: `pending`, `applied`, `partial` …"""
        standing = self._by_number.get(int(version))
        return standing.state if standing else "pending"

    @cached_property
    def _by_number(self) -> dict[int, Standing]:
        return {standing.number: standing for standing in self.standings}

    def is_applied(self, version: str) -> bool:
        """Whether the database says that a version is applied."""
        return int(version) in self.applied

    def transaction_began(self, xid: int) -> None:
        """Keep the claim on the backup true: this transaction is ours."""
        self.claim = claims.began(self.settings.project, self.claim, xid)

    def journal(self) -> str:
        """Give the path of doit's record for this database, by its identity; makes the folder."""
        folder = state_dir(self.settings.project)
        try:
            ensure_private(folder)
        except NselfError as error:
            self.notice("warning", f"no journal is kept: {error.message}")
        identity = self.facts.identity if self.facts else "offline"
        return str(folder / f"journal-{self.settings.environment.name}-{identity}.jsonl")

    def run_facts(self) -> dict[str, Any]:
        """Give what every history row says of this run."""
        return {
            "run_id": self.run_id,
            "client": f"{socket.gethostname()}:{os.getpid()}",
            "tool_version": __version__,
        }

    def require_session(self) -> Session:
        """Give the session; a step that changes something cannot run in a plan."""
        if self.session is None:
            raise HistoryError("this graph was built without a database, it can only be listed")
        return self.session
