"""What `${X}` in an env file gives: v1 and v2 look for X in different places.

v1 sources the files one after the other, and more than once: any file may name X. v2 (godotenv
1.5.1) reads each file by itself: X is what stands above in the same file, in capital letters; a
default is not known there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from nself_tasks.artifacts.env_files import Entries, Setting
from nself_tasks.artifacts.env_values import Value, quoted
from nself_tasks.rewriting import dotenv
from nself_tasks.rewriting.dotenv import Assignment
from nself_tasks.rewriting.expansion import Budget, expand

_ANYTHING = re.compile(r"\\(.)|\$([A-Za-z_]\w*)?(?=\\)", re.DOTALL | re.ASCII)
_IN_DOUBLE = re.compile(r'\\([$`"\\\n])|\$([A-Za-z_]\w*)?(?=\\)', re.ASCII)
_BUT_DOLLARS = re.compile(r"\\([^$])", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LINES = {"n": "\n", "r": "\r"}
_IN_V2 = re.compile(r"\$\$|\\?\$\(?\{?([A-Z0-9_]+)?\}?")


def spelled(found: Entries, names: Iterable[str], era: Literal["v1", "v2"]) -> dict[str, Setting]:
    """Merge the files, the weakest first, and give every value without its variables.

    Names that no file says are empty: what the process has cannot be told.
    """
    files, known = tuple(names), dict[str, str]()
    if era == "v1":
        # The commands of v1 source the files again: by then the later lines are known, too.
        _merged(found, files, known, known, Budget())
        earlier, known = known, {}
        return _merged(found, files, known, earlier, Budget())
    return _merged(found, files, None, {}, Budget())


def _merged(
    found: Entries,
    names: Iterable[str],
    shared: dict[str, str] | None,
    earlier: dict[str, str],
    budget: Budget,
) -> dict[str, Setting]:
    """Merge; `shared` is what all the files see of each other, or None where they do not."""
    merged: dict[str, Setting] = {}
    for name in names:
        seen: dict[str, str] = {} if shared is None else shared
        for key, value in found.get(name, ()):
            if value is None:
                below = merged.get(key)
                merged[key] = Setting(below.value if below else None, True, name)
                continue
            lookup = _Lookup(key, seen, earlier)
            new = _spelled(value, lookup, budget, in_v2=shared is None)
            seen[key] = new.text
            merged[key] = Setting(new, False, name)
    return merged


@dataclass(frozen=True, slots=True)
class _Lookup:
    """What the names in one key's value mean; its own name means what it was before."""

    key: str
    seen: Mapping[str, str]
    earlier: Mapping[str, str]

    def __call__(self, name: str) -> str | None:
        return self.seen.get(name, None if name == self.key else self.earlier.get(name))


def _spelled(
    value: Value, lookup: Callable[[str], str | None], budget: Budget, *, in_v2: bool
) -> Value:
    if not value.varies:
        return value

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$" or match[0].startswith("\\"):
            return match[0][1:]
        return budget.spend(lookup(match[1]) or "") if match[1] else match[0]

    text = _IN_V2.sub(one, _in_godotenv(value)) if in_v2 else expand(in_bash(value), lookup, budget)
    written = quoted(text)
    return Value(text, "$" in text, value.written if written is None else written)


def assignments(text: str, era: Literal["v1", "v2"]) -> Iterator[Assignment]:
    """Give the assignments of a text, their values as the shell of v1 or v2's godotenv has them."""
    for found in dotenv.parse(text):
        if found.value is None:
            yield found
        else:
            value = Value.of(found, text)
            read = in_bash(value) if era == "v1" else _in_godotenv(value).replace("\\$", "$$")
            yield replace(found, value=read)


def in_bash(value: Value) -> str:
    r"""Give what bash takes it for, before its variables: `$$` for a dollar that is one.

    Outside of quotes a backslash goes; in double quotes only before `$`, `` ` ``, `"`, `\` and the
    end of a line.
    """
    if value.is_single or "\\" not in value.written:
        return value.text
    if value.written[:1] == '"':
        return _IN_DOUBLE.sub(_unescaped, value.written[1:-1])
    return _ANYTHING.sub(_unescaped, value.written)


def _unescaped(found: re.Match[str]) -> str:
    if found[2]:
        # What is behind the backslash is no part of the name.
        return f"${{{found[2]}}}"
    return {None: "$$", "$": "$$", "\n": ""}.get(found[1], found[1])


def _in_godotenv(value: Value) -> str:
    r"""Give what godotenv takes it for, before its variables: `\$` is still a dollar."""
    if value.is_single or "\\" not in value.written:
        return value.text
    if value.written[:1] == '"':
        lines = _ESCAPED.sub(lambda m: _LINES.get(m[1], m[0]), value.written[1:-1])
        return _BUT_DOLLARS.sub(r"\1", lines)
    return value.written
