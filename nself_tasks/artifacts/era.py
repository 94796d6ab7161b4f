"""Which layout a project is in: the question that every command asks, so it reads little.

The order of the env files hangs on it. `detect` says the same from all findings; a test holds the
two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.errors import Problem
from nself_tasks.rewriting import dotenv

Era = Literal["v1", "v2"]
Read = Callable[[str], str | None]
"""Gives a file's text by its path in the project; None where there is none."""

OLD_VERSION = re.compile(r"v?0\.\d")
"""A version of the bash CLI; the Go CLI writes the same file with 1.x in it."""


def era(read: Read) -> Era:
    """Give the layout: v1 only where a file says so; the compose file outweighs leftovers."""
    text = read("docker-compose.yml")
    old = _has_old_leftovers(read)
    found = None if text is None else _of_compose(text, doubtful=old)
    return found or ("v1" if old else "v2")


def _of_compose(text: str, *, doubtful: bool) -> Era | None:
    """Give what generated the file, or None where that was not ɳSelf.

    Only where something else is v1, or v1 has signed the body, must the YAML be read.
    """
    lines = signals.lines_of(text)
    if signals.is_hand_made(lines, text):
        return None
    header, signal = signals.v2_header(lines), signals.v1_signal(lines)
    if signal and not header:
        return "v1"
    # Upgraded on another machine: whether this one is v1 still, its own files say.
    as_v2: Era | None = "v2" if signals.undecided_at_upgrade(text) is None else None
    if not signal and "./nginx/ssl" not in text and not (header and doubtful):
        return as_v2 if header else None
    from nself_tasks.rewriting import yaml_spans

    root = yaml_spans.read(text)
    if isinstance(root, Problem):
        return "v1" if signal else None
    if header and signals.has_v2_body(root):
        return as_v2
    return "v1" if signal or signals.e1_prefix(root) else None


def _has_old_leftovers(read: Read) -> bool:
    if read(".nself/config") is not None:
        return True
    if OLD_VERSION.match((read(".nself/build-version") or "").strip()):
        return True
    return any(
        assignment.key == "NSELF_VERSION" and OLD_VERSION.match(assignment.value or "")
        for assignment in dotenv.parse(read(".env") or "")
    )
