"""Which rights a set of scripts needs on what is there before it runs, read from the text.

    ALTER TABLE orders ADD …      →  owns orders
    DROP VIEW v                   →  owns v, or its schema
    CREATE TABLE shop.a (…)       →  CREATE on the schema shop
    SET ROLE boss                 →  is a member of boss

Whatever a statement before it can have made true is left out (`disturbance`): no right is missed by
guessing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nself_tasks.migrations.disturbance import Doubt
from nself_tasks.migrations.exclusive import locks_all
from nself_tasks.migrations.named_rights import Named, named
from nself_tasks.migrations.session_settings import InForce, in_force
from nself_tasks.model import Script, Statement


@dataclass(frozen=True, slots=True)
class Need:
    """A right that one statement needs."""

    right: str
    kind: str
    schema: str | None
    name: str
    shown: str
    """The statement in short."""
    path: str
    line: int
    settings: InForce
    exclusive: bool = False
    """Whether the statement surely waits for every other session that has touched the thing."""
    only: bool = False
    """Whether it counts only where no other relation has that name, in whatever schema."""
    missing: bool = False
    """Whether it counts only where the thing is not there."""
    data: bool = False
    """Whether it counts only where no function of the database's own may have run before it."""


def needs(scripts: Iterable[Script]) -> tuple[Need, ...]:
    """Give the rights that scripts need in this order, as far as their text can tell."""
    found: dict[object, Need] = {}
    doubt = Doubt()
    for script in scripts:
        for statement, settings in zip(script.statements, in_force(script), strict=True):
            for one in named(statement.text):
                if _is_sure(one, doubt):
                    need = _need(one, statement, script, settings, doubt)
                    # One statement that needs a right stands for all others.
                    which = None if need.right == "create" and not need.missing else need.name
                    key = (need.right, need.kind, need.schema, which, settings, need.exclusive)
                    found.setdefault(key, need)
            doubt.after(statement, in_transaction=script.in_one_transaction)
            if doubt.everything:
                return tuple(found.values())
    return tuple(found.values())


def _is_sure(one: Named, doubt: Doubt) -> bool:
    """Whether what was asked of the catalog before the run still holds at a statement."""
    if one.name in doubt.touched or (one.schema or "") in doubt.touched:
        return False
    if one.right == "create":
        # A view on a temporary table is one itself, and needs no schema.
        temporary = one.is_view and doubt.temporary and one.schema is None
        return not temporary and (one.schema is not None or not doubt.path)
    if one.right == "maintain" and doubt.granted:
        return False
    if one.is_implied and doubt.structure:
        return False
    return not (one.if_exists and doubt.dropped)


def _need(
    one: Named, statement: Statement, script: Script, settings: InForce, doubt: Doubt
) -> Need:
    text = " ".join(statement.text[:400].split())
    return Need(
        one.right,
        one.kind,
        one.schema,
        one.name,
        shown=text if len(text) <= 60 else f"{text[:59]}…",
        path=str(script.source.path),
        line=statement.line,
        settings=settings,
        exclusive=locks_all(statement),
        only=doubt.structure and one.schema is None,
        missing=one.if_missing,
        data=doubt.data,
    )
