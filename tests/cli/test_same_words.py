"""What the commands say and write does not change from one process to the next."""

from __future__ import annotations

import re
from pathlib import Path

import v1_projects
from servers_for_tests import Nself

OF_THE_MOMENT = re.compile(
    r"\d{8}-\d{6}|\d+\.\d+ s\b|\"seconds\": [\d.]+|[0-9a-f]{12,}|\d{4}-\d\d-\d\dT[\d:.Z+]+"
)
LEAKING = "".join(f"LEAK_{name}={number}\n" for number, name in enumerate("QWERTYUIOPASDFGH"))
COMMANDS = (
    ("detect", "--json"),
    ("detect", "--verbose"),
    ("run", "--dry-run", "--diff", "--files-only", "--json"),
    ("run", "--dry-run", "--diff", "--files-only"),
    ("run", "--files-only"),
    ("detect", "--verbose"),
)


def told(folder: Path, seed: str) -> list[str]:
    """What every command of an upgrade says, in a process whose sets have an order of their own."""
    shop = v1_projects.write(folder / "shop")
    (shop / ".env.dev").write_text(LEAKING)
    (shop / ".env.staging").write_text("LEAK_Q=7\n")
    nself = Nself(shop, {"HOME": str(folder), "PYTHONHASHSEED": seed})
    found = [nself(*command) for command in COMMANDS]
    assert [result.code for result in found] == [0] * len(COMMANDS)
    texts = [text for result in found for text in (result.out, result.err)]
    texts += [
        path.read_text() for path in sorted(shop.rglob("*")) if path.suffix in (".yml", ".conf")
    ]
    texts += [path.read_text() for path in sorted(shop.glob(".env*"))]
    return [OF_THE_MOMENT.sub("…", text) for text in texts]


def test_they_say_and_write_the_same_whatever_the_order_of_a_set(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = told(tmp_path / "one", "1"), told(tmp_path / "other", "2")
    assert any("would change: LEAK_A, LEAK_D, LEAK_E" in text for text in one)
    assert [t.replace(str(tmp_path / "one"), "") for t in one] == [
        t.replace(str(tmp_path / "other"), "") for t in other
    ]
