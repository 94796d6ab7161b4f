"""`detect` reads what it needs: other files in the project cost it nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "detect.py"


@pytest.mark.slow
def test_a_hundred_thousand_other_files_are_not_even_listed() -> None:
    counted = subprocess.run(
        [sys.executable, BENCHMARK, "--count", "100000"], capture_output=True, text=True
    )
    assert counted.returncode == 0, counted.stdout + counted.stderr
    assert "beside 100,000 files" in counted.stdout
