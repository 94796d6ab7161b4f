"""Whether the scratch server can make the extensions that a draft asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nself_tasks.database.proof.replay import extensions_of
from nself_tasks.model import Script

if TYPE_CHECKING:
    from nself_tasks.database.proof.ground import Ground


def lacking(ground: Ground, script: Script) -> str | None:
    """Say which extension of the draft nobody but a superuser could make here, or nobody at all."""
    wanted = list(extensions_of([script]))
    if not wanted:
        return None
    with ground.connect("postgres") as admin:
        rows_ = admin.execute(
            "SELECT a.name, bool_or(v.trusted OR NOT v.superuser) FROM pg_available_extensions AS a"
            " JOIN pg_available_extension_versions AS v ON v.name = a.name GROUP BY 1"
        ).fetchall()
    there = {str(name): bool(open_) for name, open_ in rows_}
    for name in wanted:
        if name not in there:
            return f"the scratch server has no extension {name}"
        if not there[name]:
            return f"the extension {name} can be made by a superuser only"
    return None
