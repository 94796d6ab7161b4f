"""Every real v1 project becomes a v2 one and comes back, with the command as a user calls it."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import projects
import pytest
import renamed
from projects import snapshot
from servers_for_tests import Nself

from nself_tasks.cli import main

pytestmark = [pytest.mark.corpus, pytest.mark.usefixtures("corpus")]

CLONE = Path(__file__).parents[2]
LEAK = {".env.dev": ["env-dev-leak"]}
OVERRIDE = {"backend/docker-compose.override.yml": ["compose-override"]}
V1: dict[str, dict[str, list[str]]] = {
    "_generated/nself-0.1.0-simple": {},
    "_generated/nself-v0.2.4-simple": {},
    "_generated/nself-v0.4.0-simple": {},
    "_generated/nself-v0.4.4-demo": LEAK,
    "_generated/nself-v0.4.8-simple": {},
    "_generated/nself-v0.9.5-demo": LEAK,
    "_generated/nself-v0.9.9-core": {},
    "_generated/nself-v0.9.9-demo": LEAK,
    "acamarata-nself-app@v1/backend": OVERRIDE,
    "acamarata-nself-family@v1/backend": {"backend/.env.dev": ["env-dev-leak"]},
    "nself-org-task@v1-1c7af61/backend": OVERRIDE,
    "nself-org-chat@trap-4b0bcd8/backend": {},
}
"""What is left for a person after the upgrade, with the rules that say so.

The demo wrote five keys into `.env.dev` only, which v1 read in staging and prod as well; the family
project has no other env file. The overrides put an old DATABASE_URL and JWT secret on top.
"""
MODES = (0o644, 0o600, 0o640, 0o444)


@dataclass(frozen=True)
class Repository:
    """A copy of a real repository, with links in it and files of several modes."""

    folder: Path
    root: Path
    nself: Nself

    def v1(self) -> dict[str, dict[str, list[str]]]:
        """The artifacts that `detect` calls v1, by status, with their rules of that status."""
        rows: dict[str, dict[str, list[str]]] = {"migrate": {}, "manual": {}}
        for row in report(self.root)["artifacts"]:
            if row["status"] in rows:
                found = [f["rule"] for f in row["findings"] if f["status"] == row["status"]]
                rows[row["status"]][row["artifact"]] = found
        return rows


@pytest.fixture(params=V1)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["as it is", "renamed"])
def repository(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    root = projects.copied(name, tmp_path / "repository")
    if request.param == "renamed":
        renamed.rename(root)
    for path, mode in zip(sorted(tmp_path.rglob("*")), cycle(MODES), strict=False):
        if path.is_file():
            path.chmod(mode)
    # A file that is upgraded, reached by a link; and links that nothing is to follow.
    (root / "shared").mkdir()
    (root / "nginx/nginx.conf").rename(root / "shared/nginx.conf")
    (root / "nginx/nginx.conf").symlink_to("../shared/nginx.conf")
    (root / "nowhere").symlink_to("../not-there")
    (root / "sites").symlink_to("nginx/conf.d")
    home = tmp_path / "home"
    home.mkdir()
    command = Nself(root, {"HOME": str(home), "PYTHONPATH": str(CLONE)})
    yield Repository(tmp_path / "repository", root, command)
    command.close()


def report(root: Path) -> dict[str, Any]:
    """`detect --json`, in this process: it only looks."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["detect", "--json", "--project", str(root)]) == 0
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_every_v1_project_stands_in_the_table() -> None:
    assert set(V1) == set(projects.V1)


def test_it_becomes_v2_at_once_and_comes_back_whole(repository: Repository, name: str) -> None:
    before = snapshot(repository.folder)
    assert repository.v1()["migrate"], "nothing to upgrade"

    upgraded = repository.nself("run", "--files-only")
    assert upgraded.code == 0, upgraded.err
    assert report(repository.root)["layout"] == "v2"
    after = snapshot(repository.folder)
    behind = (repository.root / "shared/nginx.conf").relative_to(repository.folder).as_posix()
    assert after[behind] != before[behind], "the file that the link leads to is not upgraded"
    assert repository.v1() == {"migrate": {}, "manual": V1[name]}

    again = repository.nself("run", "--files-only")
    assert again.code == 0, again.err
    assert snapshot(repository.folder) == after

    back = repository.nself("rollback", "--files")
    assert back.code == 0, back.err
    restored = snapshot(repository.folder)
    # The folder in which backup and record lie is the one thing that stays.
    made = (repository.root / ".nself").relative_to(repository.folder).as_posix()
    if made not in before and not any(path.startswith(f"{made}/") for path in restored):
        del restored[made]
    assert restored == before
