"""`.nself-migrate.yaml`: the findings that a person has accepted, each by name and with a reason.

    accept:
      - artifact: backend/nself.sh          as `detect` shows it
        rule: bootstrap-script              as `detect --verbose` shows it
        reason: the deploy script calls it until June

It concerns `detect --strict` alone: `run` upgrades what it can, accepted or not. Reads no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nself_tasks.artifacts.finding import Finding
from nself_tasks.errors import InputError, Problem
from nself_tasks.rewriting.yaml_spans import Node

FILE = ".nself-migrate.yaml"
_KEYS = ("artifact", "rule", "reason")
_LONGEST = 1000
"""Characters of a value: it is shown in one line of a table."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One finding that is accepted."""

    artifact: str
    """The path as people see it."""
    rule: str
    reason: str
    line: int


def parse(text: str, shown: str) -> tuple[Entry, ...]:
    """Give the entries; raises InputError with every fault, at its line of the file `shown`."""
    from nself_tasks.rewriting import yaml_spans

    root = yaml_spans.read(text)
    faults = [root] if isinstance(root, Problem) else list(_faults(root))
    if faults or isinstance(root, Problem) or root is None:
        raise InputError(
            f"`{shown}` is no list of accepted findings",
            problems=[fault._replace(path=shown) for fault in faults],
            hint="it holds `accept:` and a list of entries, each with `artifact`, `rule` and"
            " `reason` as `nself migrate detect --verbose` shows them",
        )
    return tuple(_entry(item) for item in _items(root))


OF_THE_RECORD = ("env-dev-leak", "env-local-wins", "env-secret-differs")
"""Rules that look at the order which v1 had: found after an upgrade only where it is recorded."""


def accepted(artifact: str, finding: Finding, entries: Iterable[Entry]) -> str | None:
    """Give the reason why a finding is accepted, or None; `artifact` is its path as shown."""
    if finding.status not in ("migrate", "manual"):
        return None
    named = (artifact, finding.rule)
    return next((e.reason for e in entries if (e.artifact, e.rule) == named), None)


def stale(
    entries: Iterable[Entry], findings: Iterable[tuple[str, Finding]], *, recorded: bool = True
) -> tuple[tuple[Entry, str], ...]:
    """Give the entries that accept nothing of what was found, each with why.

    Where no upgrade is `recorded`, as in a fresh clone of an upgraded project, nobody knows any
    more what the order of the env files has changed: its entries are not stale there.
    """
    statuses: dict[tuple[str, str], set[str]] = {}
    for artifact, finding in findings:
        statuses.setdefault((artifact, finding.rule), set()).add(finding.status)
    left = []
    for entry in entries:
        found = statuses.get((entry.artifact, entry.rule), set())
        if not found and not recorded and entry.rule in OF_THE_RECORD:
            continue
        if not found:
            left.append((entry, "nothing like it is found"))
        elif not found & {"migrate", "manual"}:
            left.append((entry, f"it is `{min(found)}`, which needs no acceptance"))
    return tuple(left)


def _faults(root: Node | None) -> Iterator[Problem]:
    if root is None:
        yield Problem("is empty", line=1)
        return
    for node in root.walk():
        if node.kind == "alias" or not node.bare:
            yield Problem("aliases, anchors and tags are not taken here", line=node.line)
            return
    if root.kind != "mapping":
        yield Problem("is no mapping with the key `accept`", line=root.line)
        return
    yield from _unknown(root, ("accept",))
    accept = root.get("accept")
    if accept is None or accept.kind != "sequence":
        line = accept.line if accept else root.line
        yield Problem("`accept` is missing or no list", line=line)
        return
    places: dict[tuple[str, str], int] = {}
    for item in accept.items:
        wrong = list(_wrong(item))
        yield from wrong
        if wrong:
            continue
        entry = _entry(item)
        named = (entry.artifact, entry.rule)
        if named in places:
            yield Problem(f"accepts the same as line {places[named]}", line=entry.line)
        places.setdefault(named, entry.line)


def _wrong(item: Node) -> Iterator[Problem]:
    """Give what is wrong with one entry by itself."""
    if item.kind != "mapping":
        yield Problem("an entry is no mapping", line=item.line)
        return
    yield from _unknown(item, _KEYS)
    for key in _KEYS:
        value = item.get(key)
        if value is None:
            yield Problem(f"the entry has no `{key}`", line=item.line)
        elif not isinstance(_value(value), str):
            yield Problem(f"`{key}` is no text", line=value.line)
        elif not _text(key, value):
            yield Problem(f"`{key}` is empty", line=value.line)
        elif len(_text(key, value)) > _LONGEST or not _text(key, value).isprintable():
            yield Problem(
                f"`{key}` is longer than {_LONGEST} characters or not printable", line=value.line
            )


def _unknown(mapping: Node, known: tuple[str, ...]) -> Iterator[Problem]:
    for key, _ in mapping.pairs:
        if key.value not in known:
            name = key.value[:60] if key.value[:60].isprintable() else "(unprintable)"
            yield Problem(f"the key `{name}` is unknown", line=key.line)


def _items(root: Node) -> tuple[Node, ...]:
    accept = root.get("accept")
    return accept.items if accept else ()


def _entry(item: Node) -> Entry:
    artifact, rule, reason = (_text(key, value) for key in _KEYS if (value := item.get(key)))
    return Entry(artifact, rule, reason, item.line)


def _value(node: Node) -> object:
    from nself_tasks.rewriting.yaml_values import plain

    return plain(node) if node.kind == "scalar" else None


def _text(key: str, node: Node) -> str:
    """Give a value as it is compared or shown: a reason may be written in several lines."""
    text = str(_value(node))
    return " ".join(text.split()) if key == "reason" or not text.strip() else text
