"""Times `--help` and a few other commands against a bare Python start, side by side.

python benchmarks/start_up.py [rounds]

A ratio over 5 for `--help` is a failure: exit code 1.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = [sys.executable, "-m", "nself_tasks", "migrate"]
COMMANDS = {
    "bare Python": [sys.executable, "-c", "pass"],
    "--help": [*OURS, "--help"],
    "status, no database": [*OURS, "status"],
    "detect": [*OURS, "detect"],
    "generate --no-ai": [*OURS, "generate", "--no-ai", "x"],
    "graph": [*OURS, "graph"],
}
BAR = 5.0


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".env").write_text("PROJECT_NAME=demo\n")
        (Path(folder) / "docker-compose.yml").write_text("services: {}\n")
        # in turns, so that a busy moment of the machine meets all of them; the first is not
        # counted: it may compile
        for round_ in range(rounds + 1):
            for name, command in COMMANDS.items():
                seconds = timed(command, folder)
                if round_:
                    taken[name].append(seconds)
    bare = statistics.median(taken["bare Python"])
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:22}{median * 1000:7.0f} ms  {median / bare:5.1f} x bare Python")
    return 0 if statistics.median(taken["--help"]) <= BAR * bare else 1


def timed(command: list[str], folder: str) -> float:
    kept = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("PG")}
    before = time.perf_counter()
    subprocess.run(command, cwd=folder, env=kept, capture_output=True, check=False)
    return time.perf_counter() - before


if __name__ == "__main__":
    sys.exit(main())
