"""Which columns an ALTER TABLE drops, and which it computes anew.

DROP a, DROP COLUMN b CASCADE        →  the values of a and b
ALTER COLUMN c TYPE int USING 0      →  the values of c
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nself_tasks.migrations.reader import at_top_level


class LostColumn(NamedTuple):
    """A column whose values go."""

    shown: str
    """The statement in short."""
    name: str
    """As written."""
    cascade: bool


def lost_columns(table: str, actions: Sequence[str]) -> Iterator[LostColumn]:
    """Give the columns that are lost, from the tokens that come after the table's name.

    What a conversion without USING loses depends on the two types, and is not told.
    """
    for action in at_top_level(actions):
        words = [token.lower() for token in action]
        rest = action[2:] if words[1:2] == ["column"] else action[1:]
        if words[:1] == ["alter"] and "type" in words and "using" in words:
            shown = f"ALTER TABLE {table} ALTER COLUMN {rest[0]} TYPE … USING …"
            yield LostColumn(shown, rest[0], cascade=False)
        elif words[:1] == ["drop"] and words[1:2] != ["constraint"]:
            if [token.lower() for token in rest[:2]] == ["if", "exists"]:
                rest = rest[2:]
            column, cascade = "".join(rest[:1]), words[-1:] == ["cascade"]
            shown = f"ALTER TABLE {table} DROP COLUMN {column}{' CASCADE' if cascade else ''}"
            yield LostColumn(shown, column, cascade)
