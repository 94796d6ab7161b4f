"""What `run` leaves of a compose file as it is, and what it then says about it."""

from __future__ import annotations

from pathlib import Path

import carried_projects
import v1_projects
from servers_for_tests import Nself
from v1_projects import tree

COMPOSE = "docker-compose.yml"
SAFE = "x-safe: &safe\n  logging: {driver: syslog}\n  security_opt: [seccomp:./ledger.json]\n"


def shop(folder: Path, compose: str = carried_projects.V1, **env: str) -> Nself:
    """The command in a project with this compose file: `env_prod="…"` is its `.env.prod`."""
    dotted = {"." + name.replace("_", "."): text for name, text in env.items()}
    files = {**carried_projects.files(), COMPOSE: compose, **dotted}
    (folder / "home").mkdir()
    return Nself(v1_projects.write(folder / "shop", files), {"HOME": str(folder / "home")})


def test_environments_with_volumes_of_their_own_keep_them(tmp_path: Path) -> None:
    secret = "HASURA_ADMIN_SECRET=the-admin-secret\n"
    nself = shop(
        tmp_path,
        env="ENV=dev\n",
        env_dev=f"PROJECT_NAME=shop\n{secret}",
        env_prod=f"PROJECT_NAME=shop-live\n{secret}",
    )
    assert nself("run", "--files-only").code == 0
    assert (tmp_path / "shop" / COMPOSE).read_text() == carried_projects.V1
    after = nself("detect", "--strict", "--verbose")
    assert after.code == 3
    assert "PROJECT_NAME is `shop` in dev, `shop-live` in prod" in after.out
    assert "POSTGRES_IMAGE=postgres:16-alpine" in after.out


def test_values_that_come_by_merge_stay_and_the_project_is_v2(tmp_path: Path) -> None:
    own = "    image: ledger:3\n"
    nself = shop(tmp_path, SAFE + carried_projects.V1.replace(own, f"    <<: *safe\n{own}"))
    before = tree(tmp_path / "shop")
    assert nself("run", "--files-only").code == 0
    text = (tmp_path / "shop" / COMPOSE).read_text()
    ledger = text[text.index("  ledger:\n") : text.index("  nginx:\n")]
    assert ("<<: *safe" in ledger, "logging" in ledger, "security_opt" in ledger) == (
        True, False, False,
    )  # fmt: skip
    assert nself("detect", "--strict").code == 0
    assert nself("rollback", "--files").code == 0
    assert tree(tmp_path / "shop") == before
