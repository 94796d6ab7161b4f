"""Puts generated inputs through the SQL splitter and the env, YAML and nginx scanners.

    python tests/fuzz/fuzz.py                          1,000,000 inputs, a random seed
    python tests/fuzz/fuzz.py --count 5000 --seed 7    the same inputs every time
    python tests/fuzz/fuzz.py --write                  and write the outcome to docs/reliability.md

Looked for: an exception that is none of the documented ones, more than a second of processor time
for one input, spans that do not give back the file. Exit code 1 on findings, each made small.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import FrameType

from fuzz_inputs import make
from fuzz_minimise import minimised
from fuzz_scanners import SCANNERS

LONGEST_SECONDS = 1.0
STUCK_SECONDS = 300.0
"""A batch takes seconds; one that takes this long hangs where no signal reaches."""
BATCH = 500
MARKS = ("<!-- fuzzing: written by tests/fuzz/fuzz.py -->", "<!-- end of fuzzing -->")
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


class TooSlow(Exception):
    """One input took longer than `LONGEST_SECONDS`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that breaks a scanner."""

    scanner: str
    number: int
    what: str
    raw: bytes


def check(scanner: str, raw: bytes) -> str | None:
    """Say what is wrong with what a scanner makes of an input, or None."""
    # Processor time, so that a busy machine makes no finding.
    signal.signal(signal.SIGPROF, _ring)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    began = time.process_time()
    try:
        SCANNERS[scanner](raw)
    except (Exception, RecursionError) as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    # The parser of YAML is C: the signal is only heard when it has returned.
    took = time.process_time() - began
    return f"TooSlow: {took:.1f} s" if took > LONGEST_SECONDS else None


def _ring(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"more than {LONGEST_SECONDS:g} s")


def generated(seed: str, scanner: str, number: int) -> bytes:
    """Give input `number` of a scanner: the same for the same seed, on every machine."""
    return make(scanner, Random(f"{seed}/{scanner}/{number}"))


def batch(job: tuple[str, str, int, int]) -> tuple[str, int, list[Finding]]:
    """Check the inputs of a range; gives the scanner, how many they were, and what was found."""
    seed, scanner, first, last = job
    found = []
    for number in range(first, last):
        raw = generated(seed, scanner, number)
        if what := check(scanner, raw):
            found.append(Finding(scanner, number, what, raw))
    return scanner, last - first, found


def jobs(seed: str, count: int) -> Iterator[tuple[str, str, int, int]]:
    """Give the batches, the scanners in turn."""
    each = -(-count // len(SCANNERS))
    for first in range(0, each, BATCH):
        for scanner in SCANNERS:
            yield seed, scanner, first, min(first + BATCH, each)


def fuzz(seed: str, count: int, processes: int) -> tuple[Counter[str], list[Finding]]:
    """Check `count` inputs; gives how many each scanner had, and one finding of each kind."""
    counts: Counter[str] = Counter()
    kinds: dict[tuple[str, str], Finding] = {}
    with multiprocessing.Pool(processes) as pool:
        results = pool.imap_unordered(batch, jobs(seed, count))
        while True:
            try:
                scanner, number, found = results.next(STUCK_SECONDS)
            except StopIteration:
                break
            counts[scanner] += number
            for finding in found:
                kinds.setdefault((finding.scanner, _kind(finding.what)), finding)
            if counts.total() % 100_000 == 0:
                print(f"{counts.total():,} inputs, {len(kinds)} findings", file=sys.stderr)
    return counts, [_smaller(finding) for finding in kinds.values()]


def _kind(what: str) -> str:
    return re.sub(r"\d[\d.]*|'[^']*'", "…", what)


def _smaller(finding: Finding) -> Finding:
    kind = _kind(finding.what)

    def fails(raw: bytes) -> bool:
        return _kind(check(finding.scanner, raw) or "") == kind

    raw = minimised(finding.raw, fails, seconds=30)
    return Finding(finding.scanner, finding.number, finding.what, raw)


def outcome(seed: str, counts: Counter[str], findings: list[Finding], seconds: float) -> list[str]:
    """Give the outcome as lines, the same for the terminal and for the page."""
    today = datetime.now(UTC).date()
    found = f"{len(findings) or 'no'} finding{'s' if len(findings) != 1 else ''}"
    ran = f"{counts.total():,} inputs in {seconds:.0f} s"
    lines = [
        f"Last run: {today}, seed `{seed}`, {ran}: {found}.",
        "",
        "| scanner | inputs | findings |",
        "|---|---|---|",
    ]
    for scanner in SCANNERS:
        own = sum(finding.scanner == scanner for finding in findings)
        lines.append(f"| {scanner} | {counts[scanner]:,} | {own} |")
    for each in findings:
        lines += ["", f"`{each.scanner}` {each.number}: {each.what}: `{each.raw[:400]!r}`"]
    return lines


def write(page: Path, lines: list[str]) -> None:
    """Put the outcome into the page, between its marks."""
    begin, end = MARKS
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    text = before + "\n".join([begin, *lines, end]) + after
    page.write_text(text, encoding="utf-8")


def main() -> int:
    """Run the command line; 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs in all (1000000)")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="random unless given")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr)
    began = time.monotonic()
    counts, findings = fuzz(options.seed, options.count, options.processes)
    lines = outcome(options.seed, counts, findings, time.monotonic() - began)
    print("\n".join(lines))
    if options.write:
        write(PAGE, lines)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
