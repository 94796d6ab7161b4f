"""What a YAML node means: the core schema of YAML 1.2, as Compose reads it.

`2222:22`, `on` and `0755` are no times, booleans or octals here; PyYAML's own loader says they are.
"""

from __future__ import annotations

import re
from typing import Any

from nself_tasks.rewriting.yaml_spans import Node

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def plain(node: Node | None) -> Any:
    """Give the value as data, by the core schema of YAML 1.2, aliases and `<<` resolved."""
    if node is None:
        return None
    if node.target is not None:
        return plain(node.target)
    if node.kind == "sequence":
        return [plain(item) for item in node.items]
    if node.kind == "scalar":
        return node.value if node.style else _resolved(node.value)
    merged: dict[str, Any] = {}
    for key, value in node.pairs:
        if key.value == "<<" and not key.style:
            sources = plain(value)
            for source in reversed(sources if isinstance(sources, list) else [sources]):
                merged.update(source if isinstance(source, dict) else {})
    own = {k.value: plain(v) for k, v in node.pairs if k.value != "<<" or k.style}
    return {**merged, **own}


def _resolved(word: str) -> Any:
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if _INT.fullmatch(word) and len(word) < 20:
        return int(word, 0 if word[:2] in ("0o", "0x") else 10)
    if _FLOAT.fullmatch(word) and len(word) < 40:
        return float(word)
    return word
