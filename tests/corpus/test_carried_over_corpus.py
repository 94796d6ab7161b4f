"""What must be carried over, held against real projects and against a real v2 file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import projects
import pytest
from trees_for_tests import evidence, read, upgrade

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.carried_over import lost

pytestmark = pytest.mark.corpus

Place = Callable[[str], Path]
WITHOUT_ENV = "_generated/nself-v0.9.9-core"
"""Its password is in v1's own `.env.computed` only, which v2 does not read."""


@pytest.mark.parametrize("name", projects.V1)
def test_our_own_upgrade_of_a_real_project_loses_nothing(place: Place, name: str) -> None:
    before = read(place(name), registry.kinds())
    said = lost(before, upgrade(before, registry.kinds()))
    expected = "it gives hasura another HASURA_GRAPHQL_DATABASE_URL"
    assert said == (expected if name == WITHOUT_ENV else None)


def test_what_the_real_v2_made_of_a_real_project_is_refused(place: Place) -> None:
    before = read(place("nself-org-task@v1-1c7af61/backend"), registry.kinds())
    after = upgrade(before, registry.kinds())
    real = place("nself-org-task@v2-760dadb/backend") / "docker-compose.yml"
    texts = {str(path): text for path, text in after.texts.items()}
    texts["docker-compose.yml"] = real.read_text()
    swapped = "it swaps the image of postgres: postgres:16-alpine to pgvector/pgvector:pg16"
    assert lost(before, evidence(texts, *map(str, after.files))) == swapped
