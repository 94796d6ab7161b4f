"""Makes an input that fails as small as it can be while it still fails (delta debugging)."""

from __future__ import annotations

import time
from collections.abc import Callable


def minimised(raw: bytes, fails: Callable[[bytes], bool], *, seconds: float) -> bytes:
    """Give a small part of the bytes that fails too; the best one so far when the time is over."""
    deadline = time.monotonic() + seconds
    pieces = 2
    while len(raw) > 1 and time.monotonic() < deadline:
        size = max(1, len(raw) // pieces)
        for start in range(0, len(raw), size):
            smaller = raw[:start] + raw[start + size :]
            if fails(smaller):
                raw, pieces = smaller, max(pieces - 1, 2)
                break
            if time.monotonic() >= deadline:
                break
        else:
            if size == 1:
                return raw
            pieces = min(len(raw), pieces * 2)
    return raw
