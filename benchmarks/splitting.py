"""Cuts 10 MB of SQL with our splitter and, side by side, with those of others.

python benchmarks/splitting.py [megabytes]
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sized

from nself_tasks.migrations.source import token_checksum
from nself_tasks.migrations.statements import split

MIXED = """-- accounts of a shop
create table public.accounts (id bigint primary key, email text not null default 'x', n int);
insert into accounts (id, email, n) values (1, 'a@b.c', 3.14), (2, 'it''s', -1), (3, E'a\\'b', 4);
create or replace function f(a int) returns int language plpgsql as
$$ begin return a + 1; end $$;
update accounts set email = lower(email) || '-' || id
  where id > 10 and (email like '%@x' or n / 2 = 3);
"""
COPY = "copy accounts from stdin;\n" + "1\ta@b.c\tit's; a $$ row\n" * 1_000 + "\\.\n"


def main() -> None:
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 10) * 1_000_000)
    mixed = MIXED * (size // len(MIXED))
    ours = timed("ours, mixed SQL", mixed, split)
    timed("ours, COPY data", COPY * (size // len(COPY)), split)
    timed("ours, one INSERT", "insert into t values " + "(1, 'a')," * (size // 9), split)
    timed("ours, token_checksum", mixed, lambda text: [token_checksum(text)])
    # sqlparse takes seconds for each megabyte: it gets one, and its time is scaled.
    for name, share in (("pglast", 1.0), ("sqlparse", 0.1)):
        try:
            theirs = importlib.import_module(name).split
        except ImportError:
            print(f"{name}: not installed")
            continue
        part = MIXED * int(len(mixed) // len(MIXED) * share)
        seconds = timed(f"{name}, mixed SQL", part, theirs) * len(mixed) / len(part)
        print(f"{'':24}ours takes {ours / seconds:.2f} of its time")


def timed(label: str, text: str, cut: Callable[[str], Sized]) -> float:
    before = time.perf_counter()
    found = cut(text)
    seconds = time.perf_counter() - before
    print(f"{label:24}{len(text) / 1e6:6.1f} MB {seconds:7.2f} s {len(found):9,} found")
    return seconds


if __name__ == "__main__":
    main()
