"""What goes for good, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def sentence(loss: Mapping[str, Any]) -> str:
    """Give one thing that goes, with its rows, as one line."""
    return f"{loss['version']}: {_what(loss)}"


def listing(losses: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Give the lines below a plan: a heading, then one line for each thing that goes."""
    if not losses:
        return
    yield from ("", "what goes for good:")
    for loss in losses:
        yield f"  {loss['path']}:{loss['line']}: {_what(loss)}"


def _what(loss: Mapping[str, Any]) -> str:
    if loss["kind"] == "unknown":
        return f"cannot be counted: `{loss['statement']}`, {loss['unknown']}"
    name, kind = loss["name"], loss["kind"]
    thing = {"rows": f"rows of {name}", "links": f"links in {name}"}.get(kind, f"{kind} {name}")
    how = f"`{loss['statement']}`" if loss["named"] else f"with `{loss['statement']}`"
    return f"{thing}{_rows(loss)} ({how})"


def _rows(loss: Mapping[str, Any]) -> str:
    if loss["unknown"]:
        return f", cannot be counted: {loss['unknown']}"
    if loss["rows"] is None:
        return ""
    about = "about " if loss["about"] else ""
    one = loss["rows"] == 1
    unit = ("value" if one else "values") if loss["kind"] == "column" else "row" if one else "rows"
    return f", {about}{loss['rows']:,} {unit}"
