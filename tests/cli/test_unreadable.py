"""A file that is there and cannot be read is never taken for one that is not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import v1_projects
from servers_for_tests import Nself
from v1_projects import tree

SITE = "nginx/sites/hasura.conf"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return v1_projects.write(tmp_path / "shop")


@pytest.fixture
def nself(shop: Path, tmp_path: Path) -> Nself:
    return Nself(shop, {"HOME": str(tmp_path)})


def outside(name: str) -> Callable[[Path], None]:
    """Put a file or folder beside the project, and a link in its place."""

    def change(shop: Path) -> None:
        (shop / name).rename(shop.parent / "elsewhere")
        (shop / name).symlink_to(os.path.relpath(shop.parent / "elsewhere", (shop / name).parent))

    return change


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(shop: Path) -> None:
        (shop / name).write_bytes(change((shop / name).read_bytes()))

    return write


CASES = {
    "nginx outside": (outside("nginx"), "nginx"),
    "sites outside": (outside("nginx/sites"), "nginx/sites"),
    "one site outside": (outside(SITE), SITE),
    "compose outside": (outside("docker-compose.yml"), "docker-compose.yml"),
    "env outside": (outside(".env.prod"), ".env.prod"),
    "compose with NUL": (
        rewritten("docker-compose.yml", lambda text: text + b"\0"),
        "docker-compose.yml",
    ),
    "compose of over 1 MB": (
        rewritten("docker-compose.yml", lambda text: b"#" * 1_100_000 + b"\n" + text),
        "docker-compose.yml",
    ),
    "site with NUL": (rewritten(SITE, lambda text: text + b"\0"), SITE),
}


@pytest.mark.parametrize(("change", "named"), CASES.values(), ids=CASES)
def test_nothing_is_upgraded_beside_it_and_it_is_named(
    nself: Nself, shop: Path, change: Callable[[Path], None], named: str
) -> None:
    change(shop)
    before = tree(shop)
    rows = {row["artifact"]: row for row in nself("detect", "--json").json()["artifacts"]}
    assert rows[named]["status"] == "manual"
    for dry in ([], ["--dry-run"]):
        result = nself("run", "--files-only", *dry)
        assert (result.code, f"{named}: it " in result.err) == (1, True), result.err
        assert "hint:" in result.err
    assert tree(shop) == before
    assert nself("detect", "--strict").code == 3


@pytest.mark.parametrize("name", ["nginx/sites", SITE, ".env.prod"])
def test_a_link_inside_of_the_project_is_read(nself: Nself, shop: Path, name: str) -> None:
    (shop / "inside").mkdir()
    (shop / name).rename(shop / "inside" / "it")
    (shop / name).symlink_to(os.path.relpath(shop / "inside" / "it", (shop / name).parent))
    assert nself("run", "--files-only").code == 0
    assert nself("detect", "--strict").code == 0


def test_in_a_v2_project_it_is_a_row_and_no_failure(nself: Nself, shop: Path) -> None:
    assert nself("run", "--files-only").code == 0
    (shop / ".env.local").symlink_to("/etc/hostname")
    result = nself("detect", "--strict", "--json")
    rows = {row["artifact"]: row["status"] for row in result.json()["artifacts"]}
    assert (result.code, rows[".env.local"]) == (0, "manual")


def test_migrations_can_still_be_applied_alone(nself: Nself, shop: Path) -> None:
    outside("nginx")(shop)
    assert nself("run", "--schema-only").code == 0


# --- what cannot be written is found before the first file is ---


def test_a_mount_point_is_named_before_anything_is_installed(nself: Nself, shop: Path) -> None:
    import subprocess

    mounted = subprocess.run(
        ["mount", "--bind", str(shop / SITE), str(shop / SITE)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no mounts here")
    try:
        before = tree(shop)
        result = nself("run", "--files-only")
        assert (result.code, f"{SITE}: something is mounted on it" in result.err) == (1, True)
        assert tree(shop) == before
    finally:
        subprocess.run(["umount", str(shop / SITE)], check=True)


if os.geteuid() != 0:
    # Root reads and writes everywhere: for root there is nothing to prove.

    @pytest.mark.parametrize("name", [".env.prod", "nginx/sites", SITE, "docker-compose.yml"])
    def test_what_the_user_may_not_read_stops_the_upgrade(
        nself: Nself, shop: Path, name: str
    ) -> None:
        (shop / name).chmod(0)
        try:
            result = nself("run", "--files-only")
            assert (result.code, f"{name}: it" in result.err) == (1, True)
        finally:
            (shop / name).chmod(0o755)

    def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_installed(
        nself: Nself, shop: Path
    ) -> None:
        before = tree(shop)
        (shop / "nginx/sites").chmod(0o555)
        try:
            result = nself("run", "--files-only")
        finally:
            (shop / "nginx/sites").chmod(0o755)
        assert (result.code, "cannot be written to" in result.err) == (1, True)
        assert tree(shop) == before
