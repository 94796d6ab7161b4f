"""Which faults only the planted rows are to blame for, perhaps: the real ones may be otherwise.

What is planted breaks a new check, leads nowhere for a new foreign key, or has another form than a
new type. Whether what is in the real table does is for the data to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks.database.proof.confined import session

if TYPE_CHECKING:
    from nself_tasks.database.proof.ground import Prepared
    from nself_tasks.drafting.draft import Fault

NOT_OF_THAT_FORM = ("22P02", "22007", "22008", "22018", "42804")
"""A text that is no number, date or truth value; whether all are is for the data to say."""
_AGAINST = ("23514", "23503", *NOT_OF_THAT_FORM)
"""A check, a foreign key, a form."""
_WHICH = """
SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass(%s)
"""


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
