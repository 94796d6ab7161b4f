"""Real projects twice: as they are, and with every name changed that a rule could hang on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import projects
import pytest
import renamed

Place = Callable[[str], Path]
"""Where a project lies, by its name in the corpus; nothing may be written there."""


@pytest.fixture(scope="session")
def other_names(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Copies with other names, ports, domain and dates, each made once."""
    made: dict[str, Path] = {}

    def copy(name: str) -> Path:
        if name not in made:
            made[name] = projects.copied(name, tmp_path_factory.mktemp("renamed") / "copy")
            renamed.rename(made[name])
        return made[name]

    return copy


@pytest.fixture(params=["as it is", "renamed"])
def place(request: pytest.FixtureRequest, corpus: Path, other_names: Place) -> Place:
    """The corpus itself, or the copies with other names."""
    return other_names if request.param == "renamed" else corpus.joinpath
