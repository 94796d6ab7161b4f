"""Applies N simple migrations, then runs again with nothing to do, beside a bare psycopg loop.

python benchmarks/run.py [N …]     (default: 100 1000)

The loop does the least that is safe: a connection, the lock, and for each file one transaction with
its SQL and a history row. The server is a scratch one, made here and deleted afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from nself_tasks.database.servers.scratch import open_scratch

ROUNDS = 3
BARS = {(100, "apply"): 0.45, (1000, "apply"): 3.2, (1000, "nothing to do"): 0.30}
"""Seconds, from the comparison with other tools."""
SHAPES = (
    "CREATE TABLE t{n} (id bigint PRIMARY KEY, name text NOT NULL);",
    "ALTER TABLE t{before} ADD COLUMN extra text;",
    "CREATE INDEX ON t{before} (name);",
    "INSERT INTO t{before} SELECT i, 'x' FROM generate_series(1, 100) i;",
)
LOOP = """
import sys, hashlib, pathlib, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as c:
    c.execute("SELECT pg_advisory_lock(1)")
    c.execute("CREATE TABLE IF NOT EXISTS h (version text PRIMARY KEY, sum text, sql text)")
    done = {row[0] for row in c.execute("SELECT version FROM h")}
    for path in sorted(pathlib.Path("backend/migrations").glob("*.sql")):
        sql = path.read_text()
        digest, version = hashlib.sha256(sql.encode()).hexdigest(), path.name.split("_")[0]
        if version not in done:
            with c.transaction():
                c.execute(sql)
                c.execute("INSERT INTO h VALUES (%s, %s, %s)", (version, digest, sql))
"""


def main() -> None:
    counts = [int(argument) for argument in sys.argv[1:]] or [100, 1000]
    ours = [sys.executable, "-m", "nself_tasks", "migrate", "run", "--skip-backup", "--quiet"]
    with open_scratch() as server:
        print(f"PostgreSQL {server.major}, {ROUNDS} rounds, the fastest; with Python's start")
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                fill(Path(folder), count)
                best: dict[tuple[str, str], float] = {}
                for round_ in range(ROUNDS):
                    for who, command in (("loop", [sys.executable, "-c", LOOP]), ("ours", ours)):
                        url = server.create_database(f"{who}_{count}_{round_}")
                        for what in ("apply", "nothing to do"):
                            seconds = timed(
                                [*command, *([url] if who == "loop" else [])], folder, url
                            )
                            best[who, what] = min(seconds, best.get((who, what), seconds))
                        check(url, count)
                        server.drop_database(f"{who}_{count}_{round_}")
                for what in ("apply", "nothing to do"):
                    show(count, what, best["ours", what], best["loop", what])


def fill(folder: Path, count: int) -> None:
    (folder / ".env").write_text("PROJECT_NAME=demo\n")
    (folder / "docker-compose.yml").write_text("services: {}\n")
    migrations = folder / "backend" / "migrations"
    migrations.mkdir(parents=True)
    for n in range(count):
        shape = SHAPES[n % len(SHAPES)].format(n=n, before=n - n % len(SHAPES))
        (migrations / f"{n + 1:05}_step.sql").write_text(shape + "\n")


def timed(command: list[str], folder: str, url: str) -> float:
    before = time.perf_counter()
    environment = {**os.environ, "DATABASE_URL": url}
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - before


def check(url: str, count: int) -> None:
    """A run that did nothing would be fast."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]+$'")
        assert row.fetchone() == (-(-count // len(SHAPES)),)


def show(count: int, what: str, ours: float, loop: float) -> None:
    bar = BARS.get((count, what))
    against = f"  bar {bar:.2f} s: {'kept' if ours <= bar else 'MISSED'}" if bar else ""
    ratio = f"ratio {ours / loop:5.2f}"
    print(f"{count:6} {what:14} ours {ours:6.2f} s  loop {loop:6.2f} s  {ratio}{against}")


if __name__ == "__main__":
    main()
