"""Everything that a schema consists of, read from the catalog: to hold two states side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nself_tasks.database.proof.catalog_query import QUERY

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn

Key = tuple[str, str]
"""A kind and a name: `("index", "public.users_email")`."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a database consists of."""

    things: Mapping[Key, Mapping[str, object]] = field(default_factory=dict)
    """What each one is, aspect by aspect; without what does not apply."""
    oids: Mapping[Key, int] = field(default_factory=dict)
    """Tells a thing that was made anew from one that was changed."""


def read(connection: Conn) -> Catalog:
    """Read all of it, with every name qualified."""
    connection.execute("SET search_path = pg_catalog")
    things, oids = {}, {}
    for kind, name, oid, aspects in connection.execute(QUERY.encode()).fetchall():
        things[kind, name] = {k: v for k, v in aspects.items() if v is not None}
        oids[kind, name] = oid
    return Catalog(things, oids)
