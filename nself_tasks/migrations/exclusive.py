"""Which statements surely wait for every other session that has touched what they name."""

from __future__ import annotations

from nself_tasks.migrations.reader import Reader, at_top_level
from nself_tasks.model import Statement


def locks_all(statement: Statement) -> bool:
    """Whether a statement surely takes an ACCESS EXCLUSIVE lock on the relation that it names.

    Of the forms of ALTER TABLE only those that PostgreSQL's documentation leaves in no doubt.
    """
    read = Reader(statement.text)
    if read.words("drop"):
        return "concurrently" not in read.rest()[:4]
    if not read.words("alter", "table"):
        return False
    read.words("if", "exists")
    read.words("only")
    read.name()
    return any(_is_exclusive(action) for action in at_top_level(read.rest()))


def _is_exclusive(action: list[str]) -> bool:
    if action[:1] == ["add"]:
        return action[1:2] not in (["constraint"], ["foreign"])
    return action[:1] in (["drop"], ["rename"]) or (action[:1] == ["alter"] and "type" in action)
