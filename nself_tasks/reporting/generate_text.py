"""What `generate` prints: the new files, the draft's SQL on a terminal, the prompt when asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nself_tasks.reporting.terminal import paint

_WORDS = (
    *("add", "all", "alter", "always", "and", "as", "begin", "by", "cascade", "check", "column"),
    *("concurrently", "constraint", "create", "declare", "default", "delete", "do", "drop", "each"),
    *("enable", "end", "enum", "exists", "for", "foreign", "from", "function", "generated"),
    *("grant", "identity", "if", "in", "index", "insert", "into", "is", "key", "language", "level"),
    *("not", "null", "on", "or", "policy", "primary", "references", "rename", "replace", "return"),
    *("returns", "revoke", "row", "schema", "security", "select", "set", "table", "then", "to"),
    *("trigger", "type", "unique", "update", "using", "values", "view", "where", "with"),
)
_PARTS = re.compile(
    r"(?P<dim>--[^\n]*|/\*.*?\*/)|(?P<green>'(?:[^']|'')*')|(?P<bold>\b(?:"
    + "|".join(_WORDS)
    + r")\b)",
    re.IGNORECASE | re.DOTALL,
)


def generated(data: Mapping[str, Any], *, color: bool, on_terminal: bool) -> list[str]:
    """Give the lines of a report of `generate`."""
    if "prompt" in data:
        return _prompt(data["prompt"])
    lines = [f"→ Created: {path}" for path in data["created"]]
    draft = data.get("draft")
    if draft is None:
        return lines
    shown: list[str] = []
    if on_terminal:
        for name in ("up", "down"):
            shown += [paint(f"-- {name}", "dim", enabled=color)]
            shown += [*highlighted(draft["sql"][name], color=color).strip().split("\n"), ""]
    return [*shown, *lines, "→ AI draft written — review before running nself migrate run"]


def highlighted(sql: str, *, color: bool) -> str:
    """Give SQL with comments dim, texts green and its own words bold, each line by itself."""
    if not color:
        return sql

    def painted(found: re.Match[str]) -> str:
        lines = found[0].split("\n")
        return "\n".join(paint(line, found.lastgroup or "dim", enabled=True) for line in lines)

    return _PARTS.sub(painted, sql)


def _prompt(prompt: Mapping[str, Any]) -> list[str]:
    """Give the messages word for word, each under the name of who says it."""
    to = prompt["endpoint"] or "no endpoint is configured"
    source = f" ({prompt['endpoint_source']})" if prompt["endpoint_source"] else ""
    model = prompt["body"]["model"] or "none is named"
    lines = [f"# endpoint: {to}{source}", f"# model: {model}"]
    for message in prompt["body"]["messages"]:
        lines += ["", f"# {message['role']}", *message["content"].split("\n")]
    return [*lines, "", "# the answer's JSON schema goes with it: `--json` has the whole request"]
