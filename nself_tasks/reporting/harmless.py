r"""What a stranger's names and texts may not do to a terminal: move its cursor, or hide text.

    a<ESC>[2Jb  ->  a\x1b[2Jb

Everything printed goes through here, last of all.
"""

from __future__ import annotations

import re

_COLOR = r"\x1b\[(?:31|32|33|2|1|0)m"
"""The colours that `paint` writes; a stranger's red in colours is no harm."""
_LINE_END = r"\r(?=\n|\Z)"
_DIRECTION = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Signs that turn the direction of what follows them (CVE-2021-42574), and two line breaks."""
_SIGNS = rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DIRECTION}\ud800-\udfff]"
_PLAIN = re.compile(rf"({_LINE_END})|{_SIGNS}")
_COLORED = re.compile(rf"({_LINE_END}|{_COLOR})|{_SIGNS}")
_IN_JSON = re.compile(rf"[\x7f-\x9f{_DIRECTION}\ud800-\udfff]")


def harmless(line: str, *, color: bool = False) -> str:
    """Give a line with the signs that a terminal would obey written out as escapes."""
    pattern = _COLORED if color else _PLAIN
    return pattern.sub(lambda found: found[1] or repr(found[0])[1:-1], line)


def in_json(document: str) -> str:
    """Give a JSON document with these signs as JSON escapes: it means the same."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
