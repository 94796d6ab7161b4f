"""Reads a JSON text that a stranger wrote, and writes it as the real converter does.

Nothing it is given makes it raise: what is wrong comes back as words, with the line.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from nself_tasks.errors import Problem

DEEPEST = 32
"""Levels of nesting; real manifests have four."""


class _Refused(ValueError):
    """Something that JSON's grammar lets pass and v2 does not."""


def read(text: str) -> Any | Problem:
    """Give the value of the text, or what is wrong with it."""
    try:
        value = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
        text.encode()
    except json.JSONDecodeError as error:
        return Problem(f"is no JSON: {error.msg}", line=error.lineno)
    except RecursionError:
        return Problem(f"is nested deeper than {DEEPEST} levels")
    except UnicodeEncodeError as error:
        return Problem("is not UTF-8", line=text.count("\n", 0, error.start) + 1)
    except ValueError as error:
        return Problem(str(error) if isinstance(error, _Refused) else "holds an impossible number")
    return _unwritable(value) or value


def write(value: object, *, like: str) -> str:
    """Give the JSON as the real converter writes it, with the line ends of another text."""
    written = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    if like.endswith("\n"):
        written += "\n"
    return written.replace("\n", "\r\n") if "\r\n" in like else written


def named(keys: object) -> str:
    """Give keys in words; a stranger's may be long, or hold control characters."""
    found = sorted(str(key) for key in keys) if isinstance(keys, (list, set, dict)) else [str(keys)]
    short = [key[:40] if key[:40].isprintable() else "(unprintable)" for key in found]
    more = f" and {len(short) - 12} more" if len(short) > 12 else ""
    return ", ".join(short[:12]) + more


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = {key for key, count in counts.items() if count > 1}
        raise _Refused(f"has a key twice: {named(twice)}")
    return found


def _no_constant(name: str) -> float:
    raise _Refused(f"holds {name}, which is no JSON")


def _unwritable(value: Any) -> Problem | None:
    """Say what could not be written again: too deep, infinite, half a character."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, float) and item in (float("inf"), float("-inf")):
                return Problem("holds an impossible number")
            elif isinstance(item, str) and any("\ud800" <= c <= "\udfff" for c in item):
                return Problem("holds half a character")
        level = below
        if not level:
            return None
    return Problem(f"is nested deeper than {DEEPEST} levels")
