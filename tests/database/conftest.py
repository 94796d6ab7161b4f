"""Fixtures for the tests of servers that we start ourselves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers_for_tests as servers

from nself_tasks.database.servers.binaries import Installation


@pytest.fixture(scope="session")
def programs(server: servers.ScratchServer) -> Installation:
    """Programs to start servers with: of the kind that is tested, else any that are here."""
    kinds = [kind for kind in (server.kind, "embedded", "local") if kind in ("embedded", "local")]
    for kind in kinds:
        if found := servers.installation(kind):
            return found
    pytest.skip(f"no Postgres programs {servers.APT}")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that is empty at first, with a short path that all can enter."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)
