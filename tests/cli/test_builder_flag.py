"""`run --builder`: who makes the v2 files, as the command line shows and does it."""

from __future__ import annotations

import os
from pathlib import Path

import carried_projects
import pytest
import v1_projects
from carried_projects import REAL_SWAP, V2
from servers_for_tests import Nself
from test_regenerate import BASH, COMPOSE, calls, install, standing_in
from v1_projects import tree


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return v1_projects.write(tmp_path / "backend", carried_projects.files())


@pytest.fixture
def go(tmp_path: Path) -> Path:
    return tmp_path / "go"


@pytest.fixture
def nself(shop: Path, go: Path, tmp_path: Path) -> Nself:
    """The command with the stand-ins first on PATH."""
    path = os.pathsep.join((str(go), "/usr/bin", "/bin"))
    return Nself(shop, {"PATH": path, "HOME": str(tmp_path)})


def built_by(nself: Nself) -> str:
    plan = nself("run", "--files-only", "--dry-run", "--json").json()
    [step] = [step for step in plan["steps"] if step["id"] == "migrate:regenerate"]
    return str(step["title"])


def test_a_sound_result_of_the_go_cli_is_shown_and_installed(
    nself: Nself, shop: Path, go: Path
) -> None:
    standing_in(go, "")
    assert built_by(nself).endswith("built by nself 1.4.2")
    result = nself("run", "--files-only")
    assert result.code == 0, result.err
    assert (shop / COMPOSE).read_text() == V2
    assert nself("detect", "--strict").code == 0


def test_a_go_cli_that_swaps_postgres_is_refused_and_our_rewriters_take_over(
    nself: Nself, shop: Path, go: Path
) -> None:
    standing_in(go, "", writes=REAL_SWAP)
    assert "pgvector/pgvector:pg16" in built_by(nself)
    result = nself("run", "--files-only")
    assert result.code == 0, result.err
    assert "image: postgres:16-alpine" in (shop / COMPOSE).read_text()
    assert "our own rewriters" in result.err
    assert nself("detect", "--strict").code == 0
    before = tree(shop)
    assert nself("run", "--files-only").code == 0
    assert tree(shop) == before


def test_where_it_was_asked_for_by_name_a_refused_result_stops_the_run(
    nself: Nself, shop: Path, go: Path
) -> None:
    standing_in(go, "", writes=REAL_SWAP)
    before = tree(shop)
    result = nself("run", "--files-only", "--builder", "nself")
    assert (result.code, "hint:" in result.err) == (1, True)
    assert tree(shop) == before


def test_without_a_go_cli_asking_for_it_stops_the_run(nself: Nself, shop: Path) -> None:
    before = tree(shop)
    assert nself("run", "--files-only", "--builder", "nself").code == 1
    assert tree(shop) == before


def test_a_bash_cli_is_never_called(nself: Nself, go: Path) -> None:
    install(go, BASH)
    assert built_by(nself).endswith("built by our own rewriters")
    assert nself("run", "--files-only").code == 0
    assert not (go / "called").exists()


def test_the_built_in_rewriters_call_nobody(nself: Nself, go: Path) -> None:
    standing_in(go, "")
    assert nself("run", "--files-only", "--builder", "builtin").code == 0
    assert calls(go) == []


def test_a_project_with_nothing_to_upgrade_is_not_built(nself: Nself, go: Path) -> None:
    standing_in(go, "")
    nself("run", "--files-only", "--builder", "builtin")
    assert nself("run", "--files-only").code == 0
    assert calls(go) == []


def test_one_run_builds_once(nself: Nself, go: Path) -> None:
    standing_in(go, "")
    nself("run", "--files-only")
    assert [arguments for arguments, _ in calls(go)].count("build --force") == 1
