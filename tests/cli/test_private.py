"""Secrets in an upgrade: nobody may read more than before, and git picks up none of them."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
import v1_projects
from servers_for_tests import Nself
from v1_projects import tree

SECRET = "a-secret-of-nobody"
COMMAND = '    command: ["serve", "--api-key", "{}", "--token={}"]\n'
PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project whose upgrade makes an `.env.secrets` and an `.env.local`."""
    root = v1_projects.write(tmp_path / "shop")
    (root / ".env").write_text(v1_projects.ENV + "TZ=Asia/Tokyo\n")
    (root / ".env.prod").write_text("POSTGRES_DB=other\nHASURA_ADMIN_SECRET=another-secret\n")
    return root


@pytest.fixture
def nself(shop: Path) -> Nself:
    home = shop.parent / "home"
    home.mkdir()
    return Nself(shop, {"HOME": str(home)})


def git(folder: Path, *args: str) -> str:
    return subprocess.run(
        ["git", *args], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- git ---


def test_git_stages_nothing_that_the_upgrade_made_but_the_line_that_keeps_it_out(
    nself: Nself, shop: Path
) -> None:
    git(shop, "init", "-q")
    git(shop, "add", "-A")
    known = set(git(shop, "ls-files").splitlines())
    shown = nself("run", "--files-only", "--dry-run", "--diff").out
    assert "+/.env.local" in shown
    assert nself("run", "--files-only").code == 0
    assert {".env.local", ".env.secrets"} <= tree(shop).keys()
    git(shop, "add", "-A")
    new = set(git(shop, "ls-files").splitlines()) - known
    assert {name for name in new if not name.startswith("nginx/")} == {".gitignore"}
    assert nself("detect", "--strict").code == 0


def test_a_rollback_takes_the_line_away_again(nself: Nself, shop: Path) -> None:
    git(shop, "init", "-q")
    (shop / ".gitignore").write_bytes(b"node_modules/\r\n*.log")
    before = tree(shop)
    nself("run", "--files-only")
    text = (shop / ".gitignore").read_bytes()
    assert text == b"node_modules/\r\n*.log\r\n/.env.local\r\n/.env.secrets\r\n"
    assert nself("rollback", "--files").code == 0
    assert tree(shop) == before


@pytest.mark.parametrize("ignored", [".env.*\n", "*\n", ".env.local\n.env.secrets\n"])
def test_what_git_ignores_already_needs_no_line(nself: Nself, shop: Path, ignored: str) -> None:
    git(shop, "init", "-q")
    (shop / ".gitignore").write_text(ignored)
    nself("run", "--files-only")
    assert (shop / ".gitignore").read_text() == ignored


def test_outside_of_git_no_ignore_file_is_made(nself: Nself, shop: Path) -> None:
    nself("run", "--files-only")
    assert not (shop / ".gitignore").exists()


def test_a_file_that_was_there_is_its_owner_s(nself: Nself, shop: Path) -> None:
    git(shop, "init", "-q")
    (shop / ".env.local").write_text("A=1\n")
    (shop / ".env.secrets").write_text("B_SECRET=1\n")
    nself("run", "--files-only")
    assert not (shop / ".gitignore").exists()


def test_an_ignore_file_that_cannot_be_read_is_left_alone_and_named(
    nself: Nself, shop: Path
) -> None:
    git(shop, "init", "-q")
    (shop / ".gitignore").write_bytes(b"*.log\n\0")
    assert "git would pick up `.env.local`" in nself("detect").out
    nself("run", "--files-only")
    assert (shop / ".gitignore").read_bytes() == b"*.log\n\0"


# --- permissions ---


def test_what_takes_up_private_values_is_as_private(nself: Nself, shop: Path) -> None:
    (shop / ".env").chmod(0o600)
    nself("run", "--files-only")
    assert (mode(shop / ".env.local"), mode(shop / ".env.secrets")) == (0o600, 0o600)


def test_what_takes_up_values_that_all_may_read_is_a_file_like_any_other(
    nself: Nself, shop: Path
) -> None:
    (shop / ".env").chmod(0o644)
    nself("run", "--files-only")
    assert (mode(shop / ".env.local"), mode(shop / ".env.secrets")) == (0o644, 0o600)


def test_a_file_that_is_there_gets_no_wider(nself: Nself, shop: Path) -> None:
    (shop / ".env").chmod(0o640)
    (shop / ".env.local").write_text("")
    (shop / ".env.local").chmod(0o606)
    nself("run", "--files-only")
    assert mode(shop / ".env.local") == 0o600


# --- what is shown ---


@pytest.mark.parametrize("key", ["stripe_key", "Api_Token", "dbPassword", "jwt_secret"])
def test_a_secret_in_small_letters_is_a_secret(nself: Nself, shop: Path, key: str) -> None:
    (shop / ".env").write_text(v1_projects.ENV + f"{key}={SECRET}\n")
    (shop / ".env.prod").write_text(f"{key}=of-prod-alone\n")
    shown = nself("run", "--files-only", "--dry-run", "--diff")
    assert SECRET not in shown.out
    nself("run", "--files-only")
    assert SECRET in (shop / ".env.secrets").read_text()


def test_a_secret_in_a_command_or_a_key_is_not_shown(nself: Nself, shop: Path) -> None:
    file = shop / "docker-compose.yml"
    lines = file.read_text()
    own = f"  own:\n    image: own:1\n{COMMAND.format(SECRET, SECRET)}"
    block = PEM.format(SECRET).replace("\n", "\n        ")
    own += f"    environment:\n      CERT: |\n        {block}\n"
    file.write_text(lines.replace("services:\n", f"services:\n{own}", 1))
    shown = nself("run", "--files-only", "--dry-run", "--diff")
    assert "image: own:1" in shown.out
    assert SECRET not in shown.out
    nself("run", "--files-only")
    assert file.read_text().count(SECRET) == 3


# --- what is left ---


def test_a_run_says_how_much_is_left_to_decide(nself: Nself, shop: Path) -> None:
    (shop / "nself.sh").write_text("#!/bin/sh\n")
    result = nself("run", "--files-only")
    assert "1 left for you to decide: see `nself migrate detect`" in result.out
    assert nself("run", "--files-only", "--json").json()["left"] == 1


def test_what_somebody_accepts_is_not_left_to_decide(nself: Nself, shop: Path) -> None:
    (shop / "nself.sh").write_text("#!/bin/sh\n")
    (shop / ".nself-migrate.yaml").write_text(
        "accept:\n  - {artifact: nself.sh, rule: bootstrap-script, reason: until June}\n"
    )
    assert "left for you" not in nself("run", "--files-only").out


def test_two_names_of_one_file_are_refused_before_anything_changes(
    nself: Nself, shop: Path
) -> None:
    (shop / ".env.staging").symlink_to(".env.prod")
    before = tree(shop)
    result = nself("run", "--files-only")
    assert (result.code, "is the same file as `.env.prod`: make them two" in result.err) == (
        1,
        True,
    )
    assert tree(shop) == before
