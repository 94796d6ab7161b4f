"""One sort of change to a compose file, with the edits that make it; and how to place an edit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.yaml_spans import Node


@dataclass(frozen=True, slots=True)
class Step:
    """What is v1 in the file, what becomes of it, and which meanings change by that."""

    rule: str
    line: int | None
    message: str
    action: str
    edits: tuple[Edit, ...]
    changes: frozenset[tuple[str, str]] = frozenset()
    """Service (or empty) and property whose meaning is another one afterwards."""


def newline(text: str) -> str:
    """Give the line end that the text uses."""
    return "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"


def end_of_line(text: str, at: int) -> int:
    """Give where the line ends that `at` is on, before its line break."""
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if end > at and text[end - 1] == "\r" else end


def next_line(text: str, at: int) -> int:
    """Give where the line after the one of `at` begins."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def start_of_line(text: str, at: int) -> int:
    """Give where the line of `at` begins; a byte order mark stays before it."""
    start = text.rfind("\n", 0, at) + 1
    return start + 1 if text.startswith("\ufeff", start) else start


def removed_line(text: str, start: int, end: int) -> Edit:
    """Take out the whole lines from `start` to `end`; a missing final newline stays missing."""
    first, after = start_of_line(text, start), next_line(text, end)
    if after == len(text) and not text.endswith("\n") and first:
        first = end_of_line(text, start_of_line(text, first - 1))
    return Edit(first, after, "")


def quoted(node: Node, value: str) -> str | None:
    """Give the value as it may stand in the node's place, or None where that is not sure."""
    if not node.bare or "\n" in value or any(mark in value for mark in "'\"\\"):
        return None
    if node.style in ("'", '"'):
        return f"{node.style}{value}{node.style}"
    harmless = (
        value
        and (value[0].isalnum() or value[0] in "./")
        and not any(m in value for m in (": ", " #", "\t"))
    )
    return value if not node.style and harmless and value[-1] not in ": " else None


def replaced(node: Node | None, value: str | None) -> Iterator[Edit]:
    """Put another value in a scalar's place, in its quotes, where that is possible."""
    if node and node.kind == "scalar" and value is not None and value != node.value:
        written = quoted(node, value)
        if written is not None:
            yield Edit(node.start, node.end, written)


def scalars(node: Node | None, *, flow: bool = False) -> Iterator[Node]:
    """Give the values inside of the node that a text can be put into: keys left out.

    A plain scalar inside of flow brackets has other rules: it is passed over.
    """
    if node is None or node.kind == "alias":
        return
    if node.kind == "scalar":
        if node.bare and (node.style or not flow):
            yield node
        return
    inside = flow or node.style == "{"
    for _, value in node.pairs:
        yield from scalars(value, flow=inside)
    for item in node.items:
        yield from scalars(item, flow=inside)


def addition(text: str, service: Node, lines: list[str]) -> Edit | None:
    """Add lines to a service's end, in its indentation."""
    if not service.pairs or service.style == "{":
        return None
    if _last(service).style in ("|", ">"):
        # What follows a text block may belong to it: the last key goes down one instead.
        start, indent = service.pairs[-1][0].start, newline(text) + " " * service.column
        return Edit(start, start, "".join(f"{line}{indent}" for line in lines))
    # At the next line's start: the last line of the service may itself be taken out.
    at, nl, indent = next_line(text, service.end), newline(text), " " * service.column
    if text.endswith("\n", 0, at):
        return Edit(at, at, "".join(f"{indent}{line}{nl}" for line in lines))
    return Edit(at, at, "".join(f"{nl}{indent}{line}" for line in lines))


def _last(node: Node) -> Node:
    """Give the value that is written last inside of the node."""
    while node.pairs or node.items:
        node = node.pairs[-1][1] if node.pairs else node.items[-1]
    return node


def items_of(service: Node, key: str) -> tuple[Node, ...]:
    node = service.get(key)
    return node.items if node else ()
