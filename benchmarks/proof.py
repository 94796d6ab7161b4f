"""The proof of a draft on a schema of 100 tables, and how much of its server's start is waited for.

python benchmarks/proof.py [TABLES]             (default: 100)

`proof` is one draft up, down and up again with both comparisons, once the server runs; the same
statements bare are what they are divided by. `other rows` is the worst draft, whose texts are to be
dates: it is tried with words, numbers and dates, and the last two are planted first. `waited` is
what of the server's start is left when a model answers after two seconds.

Exit code 1 when a bar is missed: a proof takes under a second for 100 tables, and the start uses
nine tenths of the time that the model takes, or is over by then.

Measured on two busy cores, Python 3.11, PostgreSQL 18, 100 tables: see docs/drafts.md.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from pathlib import PurePosixPath

from nself_tasks.database.proof.ground import Ground, prepared_ground
from nself_tasks.database.proof.judging import judged
from nself_tasks.drafting.draft import Draft
from nself_tasks.migrations.directory import collect

ROUNDS = 7
BAR = 1.0
MODEL_SECONDS = 2.0
UP = (
    "ALTER TABLE t50 ADD COLUMN note text NOT NULL DEFAULT ''; CREATE INDEX t50_note ON t50 (note);"
)
DOWN = "DROP INDEX t50_note; ALTER TABLE t50 DROP COLUMN note;"
TO_DATES = "ALTER TABLE t50 ALTER name TYPE date USING name::date;"
TO_TEXTS = "ALTER TABLE t50 ALTER name TYPE text;"
OVERLAP = 0.9


def schema(tables: int) -> str:
    """Give tables with ten columns, a foreign key, a check and three indexes each."""
    return "\n".join(
        f"CREATE TABLE t{i} (id bigserial PRIMARY KEY, up bigint REFERENCES t{max(i - 1, 0)} (id),"
        " name text NOT NULL, mail varchar(200) UNIQUE, price numeric(10, 2) CHECK (price >= 0),"
        " made timestamptz NOT NULL DEFAULT now(), data jsonb, is_on boolean, day date, u uuid);"
        f" CREATE INDEX ON t{i} (name); CREATE INDEX ON t{i} (up);"
        for i in range(tables)
    )


def bare(ground: Ground) -> float:
    """Give the seconds that the statements themselves take in a copy."""
    with ground.copied(ground.prepared()), ground.connect(ground.database) as connection:
        connection.execute("SET search_path = public")
        began = time.perf_counter()
        for sql in (UP, DOWN, UP):
            connection.execute(sql.encode())
        return time.perf_counter() - began


def main() -> int:
    """Print the figures; give the exit code."""
    tables = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    migrations = collect([(PurePosixPath("1_schema.sql"), schema(tables).encode())])
    open_, ready, over = prepared_ground(None, migrations), threading.Event(), threading.Event()
    found: list[tuple[Ground, float]] = []

    def prepare() -> None:
        with open_ as ground:
            found.append((ground, time.perf_counter()))
            ready.set()
            over.wait()

    began = time.perf_counter()
    starting = threading.Thread(target=prepare)
    starting.start()
    time.sleep(MODEL_SECONDS)
    answered = time.perf_counter()
    ready.wait()
    [(ground, at)] = found
    waited, start = max(0.0, at - answered), at - began
    try:
        draft = Draft("note", UP, DOWN)
        pairs = [(judged(ground, draft).seconds, bare(ground)) for _ in range(ROUNDS)]
        other = judged(ground, Draft("dates", TO_DATES, TO_TEXTS))
    finally:
        over.set()
        starting.join()
    proof = statistics.median(p for p, _ in pairs)
    ratio = statistics.median(p / b for p, b in pairs)
    print(f"{tables} tables: proof {proof:.2f} s, {ratio:.0f} x its bare statements")
    print(f"other rows: {other.seconds:.2f} s, {other.seconds / proof:.1f} x a proof")
    print(f"start {start:.1f} s, waited for {waited:.2f} s of it")
    overlaps = start - waited >= OVERLAP * min(start, MODEL_SECONDS)
    return 0 if proof < BAR and other.proven and overlaps else 1


if __name__ == "__main__":
    sys.exit(main())
