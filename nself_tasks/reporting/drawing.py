"""The task graph as DOT and as Mermaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def _edges(steps: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, bool]]:
    """Give (before, after, is a setup edge)."""
    found = []
    for step in steps:
        found += [(before, step["id"], False) for before in step["after"]]
        found += [(before, step["id"], True) for before in step["setup"]]
    return found


def dot(steps: Sequence[Mapping[str, Any]]) -> str:
    """Give the graph for Graphviz; setup edges are dashed."""
    lines = ["digraph migrate {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [
        f'  "{_quoted(s["id"])}" [label="{_quoted(s["id"])}\\n{_quoted(s["title"])}"];'
        for s in steps
    ]
    for before, after, setup in _edges(steps):
        style = " [style=dashed]" if setup else ""
        lines.append(f'  "{_quoted(before)}" -> "{_quoted(after)}"{style};')
    return "\n".join([*lines, "}"])


def mermaid(steps: Sequence[Mapping[str, Any]]) -> str:
    """Give the graph for Mermaid; setup edges are dotted."""
    names = {step["id"]: f"s{number}" for number, step in enumerate(steps)}
    lines = ["flowchart LR"]
    lines += [f'  {names[s["id"]]}["{_quoted(s["id"])}"]' for s in steps]
    for before, after, setup in _edges(steps):
        lines.append(f"  {names[before]} {'-.->' if setup else '-->'} {names[after]}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "'")
