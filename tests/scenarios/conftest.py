"""Fixtures for the scenarios: the database seen from outside, a proxy before the server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from onlooker import Onlooker
from wire import Wire, between


@pytest.fixture
def onlooker(database: str) -> Onlooker:
    """The database seen from outside."""
    return Onlooker(database)


@pytest.fixture
def wire(database: str) -> Iterator[Wire]:
    """A proxy before the server, in the way of the commands that are given its URL."""
    with between(database) as proxy:
        yield proxy
