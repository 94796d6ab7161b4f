"""The nouns: frozen data without behaviour, shared by every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any


class Category(StrEnum):
    """What a statement is to a transaction."""

    TRANSACTIONAL = "transactional"
    STANDALONE = "standalone"
    """Refuses to run in a transaction block (CREATE INDEX CONCURRENTLY, VACUUM …)."""
    UNDECIDABLE = "undecidable"
    """May commit by itself (CALL, DO, REINDEX of a partitioned table): only its author knows."""
    SESSION = "session"
    """SET, RESET or SELECT set_config(): replayed before a resume."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement as its author wrote it, without the closing semicolon."""

    text: str
    start: int
    """Character offset of `text` in the file's text (BOM removed)."""
    line: int
    """1-based line where `text` starts."""
    category: Category
    reason: str | None = None
    """Why it cannot run in a transaction, e.g. "CREATE INDEX CONCURRENTLY"."""
    copy_data: str | None = None
    """The data lines between `COPY … FROM stdin;` and `\\.`, for a COPY statement."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A migration file as read: decoded, BOM removed, not yet cut into statements."""

    path: PurePosixPath
    """Relative to the project."""
    text: str = field(repr=False)
    checksum: str
    """sha256 hex of the text with line endings normalised."""


@dataclass(frozen=True, slots=True)
class Script:
    """A source file cut into statements that may run."""

    source: SourceFile
    statements: tuple[Statement, ...]
    no_transaction: bool
    """Declared by `-- nself: no-transaction`."""

    @property
    def in_one_transaction(self) -> bool:
        """Whether the whole file runs in one transaction with its history row."""
        return not self.no_transaction and all(
            s.category is not Category.STANDALONE for s in self.statements
        )


@dataclass(frozen=True, slots=True)
class Migration:
    """A version with its up file and, perhaps, its down file."""

    version: str
    """The digits as the file name has them."""
    name: str
    up: SourceFile
    down: SourceFile | None

    @property
    def number(self) -> int:
        """The version as an integer: `7` and `0007` are one version."""
        return int(self.version)


@dataclass(frozen=True, slots=True)
class Environment:
    """dev, staging, prod or a project's own name; decides the guards."""

    name: str
    source: str = "default"
    """Who said so, e.g. `--env`, `ENV in .env`, `default`."""

    @property
    def strictness(self) -> int:
        """0 dev, 1 staging, 2 prod; a name we do not know is guarded like prod."""
        return {"dev": 0, "staging": 1}.get(self.name, 2)


@dataclass(frozen=True, slots=True)
class Target:
    """The database that a command works on; its URL never appears in a repr."""

    url: str | None = field(repr=False)
    """A libpq URL, or None where `embedded` is true or nothing is configured."""
    shown: str
    """The URL with its password masked, for people."""
    source: str
    """Where it came from, e.g. `--database-url`, `DATABASE_URL in .env`."""
    embedded: bool = False
    notes: tuple[str, ...] = ()
    """What was rewritten on the way, e.g. the compose host."""
    via: tuple[str, ...] = ()
    """The names that its Compose stack may have, where connections go through the container."""


class StepStatus(StrEnum):
    """What a step of a plan would do."""

    RUN = "run"
    CHECK = "check"
    UP_TO_DATE = "up-to-date"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Step:
    """One task of the graph as a plan shows it."""

    id: str
    stage: str
    title: str
    status: StepStatus
    reasons: tuple[str, ...]
    after: tuple[str, ...]
    setup: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    sql: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One line of talk: a note, a warning or progress."""

    level: str
    """`note`, `warning` or `progress`."""
    text: str


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of one step in a run."""

    id: str
    status: str
    """`done`, `up-to-date`, `checked`, `failed` or `not-run`."""
    seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One line of `status`: a migration as files and history see it together."""

    version: str
    name: str
    state: str
    """applied, pending, partial, edited, missing, out-of-order."""
    applied_at: datetime | None = None
    applied_by: str | None = None
    execution_ms: int | None = None
    notes: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one command; `reporting` turns it into text or JSON."""

    command: str
    exit_code: int
    data: Mapping[str, Any]
    """Plain data, the JSON of the command without the envelope."""
    messages: tuple[Message, ...] = ()
    error: Mapping[str, Any] | None = None
