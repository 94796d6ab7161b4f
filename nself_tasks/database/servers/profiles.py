"""The two kinds of servers, kept apart: one holds a user's data, the other is thrown away."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ALWAYS = {"listen_addresses": "", "port": "5432", "unix_socket_permissions": "0700"}


@dataclass(frozen=True, slots=True)
class Profile:
    """How a server keeps its data and how it is stopped."""

    name: str
    settings: Mapping[str, str]
    """Written to postgresql.auto.conf over whatever stands there."""
    stop_mode: str
    """`fast` ends with a checkpoint; `immediate` does not care for the data."""
    initdb: tuple[str, ...]


DURABLE = Profile(
    "durable",
    MappingProxyType(ALWAYS | {"fsync": "on", "full_page_writes": "on"}),
    stop_mode="fast",
    initdb=(),
)
"""For the embedded target: a commit survives a power cut. No code here deletes its data."""

SCRATCH = Profile(
    "scratch",
    MappingProxyType(
        ALWAYS
        | {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "100",
            # a copy of a user's database must not act outside: no archiving, no replication
            "archive_mode": "off",
            "max_logical_replication_workers": "0",
        }
    ),
    stop_mode="immediate",
    initdb=("--no-sync",),
)
"""For tests, verification and planning: fast, deleted afterwards."""


def locale_options(major: int) -> tuple[str, ...]:
    """initdb's locale: UTF-8 rules that do not depend on the machine, as far as `major` can.

    Plain C would leave `lower('É')` as it is and make citext ASCII only.
    """
    if major >= 17:
        return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    return ("--locale=C.UTF-8",) if sys.platform == "linux" else ("--locale=C",)
