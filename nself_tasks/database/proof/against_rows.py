"""Which faults only the planted rows are to blame for, perhaps: the real ones may be otherwise.

What is planted breaks a new check, leads nowhere for a new foreign key, or has another form than a
new type. Whether what is in the real table does is for the data to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nself_tasks.database.proof.confined import session

if TYPE_CHECKING:
    from nself_tasks.database.proof.ground import Prepared
    from nself_tasks.database.proof.running import Idle
    from nself_tasks.drafting.draft import Fault

NOT_OF_THAT_FORM = ("22P02", "22007", "22008", "22018", "42804")
"""A text that is no number, date or truth value; whether all are is for the data to say."""
TOO_MUCH = {"22001": "such texts are short", "22003": "such numbers are small"}
"""A value that is too long or too large for a new type, and where that would do."""
_AGAINST = ("23514", "23503", *NOT_OF_THAT_FORM)
"""A check, a foreign key, a form."""
_WHICH = """
SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass(%s)
"""

_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_COMPARED = re.compile(
    r"""("(?:[^"]|"")+"|\b[a-z_][\w$]*)\)*(?:::\w+)?\s*"""
    r"""(=|<=|>=|<|>|\bI?LIKE\b|\bIN\s*\()\s*('(?:[^']|'')*'|-?\d+(?:\.\d+)?|\btrue\b|\bfalse\b)""",
    re.IGNORECASE,
)
_PLAIN = re.compile(r'"[a-z_][a-z0-9_]*"')
_BESIDE = {"<": -1, ">": 1}


def held_against(server: str, prepared: Prepared, fault: Fault) -> str | None:
    """Give the table with planted rows that up altered when it failed by what is in them."""
    if fault.stage != "up" or fault.raised or fault.altered is None:
        return None
    if fault.sqlstate not in _AGAINST:
        return None
    with session(server, prepared.name) as found:
        row = found.connection.execute(_WHICH, [fault.altered]).fetchone()
    table = str(row[0]) if row else None
    return table if table in prepared.planted.tables else None


def looked_for(idle: Iterable[Idle]) -> tuple[tuple[str, str], ...]:
    """Give column → literal for what the conditions of statements compare with, the first of each.

    No verdict comes of these words: they say only what else to plant.
    """
    found: dict[str, str] = {}
    for statement in idle:
        for condition in _WHERE.split(statement.text)[1:]:
            for name, sign, literal in _COMPARED.findall(condition):
                column = name.strip('"') if _PLAIN.fullmatch(name) else name
                column = column if column.startswith('"') else column.lower()
                found.setdefault(column, _beside(sign.upper(), literal))
    return tuple(sorted(found.items()))


def _beside(sign: str, literal: str) -> str:
    """Give what a comparison with a literal finds."""
    if literal.startswith("'"):
        text = literal[1:-1].replace("''", "'")
        return re.sub("[%_]", "x", text) if sign.endswith("LIKE") else text
    if literal.lower() in ("true", "false"):
        return literal
    number = float(literal) + _BESIDE.get(sign, 0)
    return f"{number:.12g}"
