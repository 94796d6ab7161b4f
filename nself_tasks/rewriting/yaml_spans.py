"""Reads YAML as Compose does and keeps where everything stands, so that it can be edited by span.

    a:           Node("mapping", pairs=((Node("scalar", value="a", start=0, end=1),
      - "b" # c                          Node("sequence", items=(Node(… start=7, end=10),))),))

Offsets are characters of the text. Read from the parser's events and not by PyYAML's composer:
that one recurses without a limit, takes duplicate keys and knows YAML 1.1 only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from nself_tasks.errors import Problem

DEEPEST = 64
LARGEST = 100_000
"""Nodes, every alias counted as what it stands for: more is a bomb, no project file."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it is written."""

    kind: Literal["scalar", "mapping", "sequence", "alias"]
    start: int
    end: int
    """After the last character that belongs to it; comments and blank lines do not."""
    line: int
    column: int
    value: str = ""
    style: str = ""
    """`'`, `"`, `|`, `>`, or empty for a plain scalar; `{` for a flow collection."""
    pairs: tuple[tuple[Node, Node], ...] = ()
    items: tuple[Node, ...] = ()
    target: Node | None = None
    size: int = 1
    bare: bool = True
    """Whether it is written without an anchor and without a tag."""

    def get(self, key: str) -> Node | None:
        """Give a mapping's own value of the key; what `<<` merges in is not looked at."""
        return next((value for name, value in self.pairs if name.value == key), None)

    def key(self, name: str) -> Node | None:
        """Give the key itself."""
        return next((key for key, _ in self.pairs if key.value == name), None)

    def walk(self) -> Iterator[Node]:
        """Give the node and all that is written inside of it, in the text's order."""
        yield self
        for key, value in self.pairs:
            yield key
            yield from value.walk()
        for item in self.items:
            yield from item.walk()


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    event: Any
    kind: Literal["mapping", "sequence"]
    children: list[Node] = field(default_factory=list)


class _Refused(Exception):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.problem = Problem(message, line=line)


def read(text: str) -> Node | Problem | None:
    """Give the document's root, None for an empty one, or why and where it cannot be read."""
    import yaml

    # Every one: the parser drops one more by itself and does not count it.
    shift = len(text) - len(text.lstrip("\ufeff"))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(text, shift).build(yaml.parse(text[shift:], Loader=loader))
    except _Refused as refused:
        return refused.problem
    except UnicodeEncodeError as error:
        return Problem("not UTF-8", line=text.count("\n", 0, error.start) + 1)
    except yaml.YAMLError as error:
        return _problem(text, error)


def _problem(text: str, error: Any) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        where = f"{error.problem or error.context}, column {mark.column + 1}"
        return Problem(where, line=mark.line + 1)
    position = getattr(error, "position", 0)
    line = len(text.encode("utf-8", "replace")[:position].splitlines()) or 1
    return Problem("a character that YAML does not allow", line=line)


class _Builder:
    """Puts the nodes together, with a stack of its own."""

    def __init__(self, text: str, shift: int) -> None:
        self.text, self.shift = text, shift
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.root: Node | None = None
        self.documents = 0

    def build(self, events: Any) -> Node | None:
        for event in events:
            name = type(event).__name__
            if name == "DocumentStartEvent":
                self.documents += 1
                if self.documents > 1:
                    raise _Refused("more than one document", event.start_mark.line + 1)
            elif name == "ScalarEvent":
                self._add(event, self._scalar(event))
            elif name == "AliasEvent":
                self._add(event, self._alias(event))
            elif name in ("MappingStartEvent", "SequenceStartEvent"):
                kind: Literal["mapping", "sequence"]
                kind = "mapping" if name == "MappingStartEvent" else "sequence"
                self.stack.append(_Open(event, kind))
                if len(self.stack) > DEEPEST:
                    raise _Refused("nested too deeply", event.start_mark.line + 1)
            elif name in ("MappingEndEvent", "SequenceEndEvent"):
                opened = self.stack.pop()
                self._add(opened.event, self._collection(opened, event))
        return self.root

    def _add(self, event: Any, node: Node) -> None:
        if node.size > LARGEST:
            raise _Refused("its aliases multiply without measure", node.line)
        if node.kind != "alias" and event.anchor:
            self.anchors[event.anchor] = node
        if self.stack:
            self.stack[-1].children.append(node)
        else:
            self.root = node

    def _place(self, event: Any) -> dict[str, Any]:
        mark = event.start_mark
        return {"start": mark.index + self.shift, "line": mark.line + 1, "column": mark.column}

    def _scalar(self, event: Any) -> Node:
        place = self._place(event)
        end = event.end_mark.index + self.shift
        if event.style in ("|", ">"):
            end = place["start"] + len(self.text[place["start"] : end].rstrip())
        style = event.style or ""
        bare = not event.anchor and not event.tag
        return Node("scalar", end=end, value=event.value, style=style, bare=bare, **place)

    def _alias(self, event: Any) -> Node:
        target = self.anchors.get(event.anchor)
        if target is None:
            raise _Refused("an alias without its anchor", event.start_mark.line + 1)
        end = event.end_mark.index + self.shift
        return Node("alias", end=end, target=target, size=target.size, **self._place(event))

    def _collection(self, opened: _Open, closing: Any) -> Node:
        place = self._place(opened.event)
        flow = bool(opened.event.flow_style)
        last = opened.children[-1] if opened.children else None
        end = closing.end_mark.index + self.shift if flow or last is None else last.end
        size = 1 + sum(child.size for child in opened.children)
        style = "{" if flow else ""
        bare = not opened.event.anchor and not opened.event.tag
        shape: dict[str, Any] = {"end": end, "size": size, "style": style, "bare": bare, **place}
        if opened.kind == "sequence":
            return Node("sequence", items=tuple(opened.children), **shape)
        pairs = tuple(zip(opened.children[::2], opened.children[1::2], strict=True))
        seen: set[str] = set()
        for key, value in pairs:
            if key.kind != "scalar":
                raise _Refused("a key that is no word", key.line)
            if key.value in seen and key.value != "<<":
                raise _Refused(f"the key `{key.value[:60]}` comes twice", key.line)
            seen.add(key.value)
            if value is last:
                # An empty value stands nowhere: it may be marked at the next line.
                shape["end"] = end if flow or value.end > value.start else key.end
        return Node("mapping", pairs=pairs, **shape)
