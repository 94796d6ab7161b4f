"""The nouns of the schema history: what a database says of itself and of what is applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HistoryMeta:
    """The one row that says whose history this is."""

    format_version: int
    project: str
    environment: str
    database_id: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One row of `_nself_migrations` that is in force (rolled-back rows are not)."""

    id: int
    version: str
    name: str
    checksum: str
    token_checksum: str
    down_checksum: str | None
    state: str
    """applied, or partial: a migration outside a transaction that is not finished."""
    run_id: str
    applied_at: datetime | None
    applied_by: str | None
    execution_ms: int | None
    direction: str = "up"
    """`down` for a partial row whose rollback is not finished."""

    @property
    def number(self) -> int:
        """The version as an integer."""
        return int(self.version)


@dataclass(frozen=True, slots=True)
class History:
    """What the database says is applied; `exists` is false before the first real run."""

    exists: bool
    meta: HistoryMeta | None = None
    rows: tuple[HistoryRow, ...] = ()
    """In the order in which they were applied."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says about itself when a connection opens."""

    version: int
    """server_version_num, e.g. 150018."""
    database: str
    user: str
    host: str
    identity: str
    """Names the database without its address: system identifier and database oid."""

    @property
    def major(self) -> int:
        """15 for 150018."""
        return self.version // 10000
