"""A short run of the fuzzer, what longer runs have found, and that it finds what is broken."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from pathlib import Path

import fuzz
import fuzz_scanners
import pytest
from fuzz_minimise import minimised

from nself_tasks.rewriting import dotenv

COMMAND = Path(__file__).with_name("fuzz.py")


@pytest.mark.parametrize("seed", ["7", secrets.token_hex(4)], ids=["fixed", "random"])
def test_a_few_thousand_inputs_break_nothing(seed: str) -> None:
    arguments = ["--count", "6000", "--seed", seed, "--processes", "2"]
    done = subprocess.run(
        [sys.executable, COMMAND, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seed {seed}" in done.stderr
    assert "| nginx | 1,500 | 0 |" in done.stdout


@pytest.mark.parametrize(
    ("scanner", "raw"),
    [
        ("yaml", b"\xef\xbb\xbf\xef\xbb\xbfx"),
        ("yaml", b"s\xc2\x85h"),
    ],
    ids=["two byte order marks", "a line break that only YAML knows"],
)
def test_what_was_found_once_stays_mended(scanner: str, raw: bytes) -> None:
    assert fuzz.check(scanner, raw) is None


def test_the_same_seed_makes_the_same_inputs() -> None:
    again = [fuzz.generated("7", "sql", number) for number in range(100)]
    assert again == [fuzz.generated("7", "sql", number) for number in range(100)]
    assert again != [fuzz.generated("8", "sql", number) for number in range(100)]


def test_a_scanner_that_hangs_is_stopped_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(raw: bytes) -> None:
        while time.process_time() < 1e9:
            pass

    monkeypatch.setattr(fuzz, "LONGEST_SECONDS", 0.05)
    monkeypatch.setitem(fuzz_scanners.SCANNERS, "env", hangs)
    assert str(fuzz.check("env", b"A=b")).startswith("TooSlow")


def test_a_span_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = dotenv.read
    monkeypatch.setattr(dotenv, "read", lambda text: read(text + " "))
    assert fuzz.check("env", b"A=b\n") is None
    monkeypatch.setattr(dotenv, "read", lambda text: read(" " + text))
    assert fuzz.check("env", b"A=b\n") == "AssertionError: a key is not its slice"


def test_what_is_found_is_made_small() -> None:
    raw = b"x" * 300 + b"'" + b"y" * 300 + b'"' + b"z" * 300
    assert minimised(raw, lambda part: b"'" in part and b'"' in part, seconds=10) == b"'\""


def test_the_outcome_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    begin, end = fuzz.MARKS
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    for _ in range(2):
        fuzz.write(page, ["new"])
        assert page.read_text().split("\n")[0::2] == ["before", "new", "after"]
