"""Which tables matter to a description, and as many of them as a budget of characters holds.

Named ones come first, then those whose columns are named, then their neighbours by foreign key,
then the rest by name alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nself_tasks.drafting import redaction
from nself_tasks.drafting.tables import Outline, Table, shown

BUDGET = 24_000
"""Characters for the schema in a request: about 6,000 tokens, which small local models take."""
_NAMES_BUDGET = 4_000
"""How many of them the bare names of further tables may take."""
_MOST_REFERRING = 12
"""Tables with a foreign key to a named one: half of a schema may refer to `users`."""
_SMALL = frozenset(
    (
        *("a", "an", "and", "as", "at", "by", "column", "columns", "create", "delete", "drop"),
        *("for", "from", "id", "in", "index", "into", "is", "it", "key", "make", "name", "new"),
        *("not", "null", "of", "on", "or", "per", "remove", "rename", "row", "rows", "set"),
        *("table", "tables", "that", "the", "then", "to", "type", "unique", "update", "user_id"),
        *("value", "values", "with"),
    )
)
"""Words that every description has: they mean no table."""
_WORD = re.compile(r"[a-z0-9_]+")


def relevant(outline: Outline, description: str, budget: int = BUDGET) -> str:
    """Give the part of the schema that matters, at most `budget` characters."""
    parts: list[str] = []
    said: set[str] = set()
    room = budget - min(_NAMES_BUDGET, budget // 4)
    for table in ranked(outline.tables, description):
        text = shown(table)
        if len(text) + 1 > room:
            text = _shortened(text, room) if not parts else ""
        if text:
            parts.append(text)
            said.add(table.full_name)
            room -= len(text) + 1
    for line in (*map(redaction.sql, outline.types), *outline.functions):
        if len(line) + 1 <= room:
            parts.append(line)
            room -= len(line) + 1
    rest = [table.full_name for table in outline.tables if table.full_name not in said]
    parts += _bare(rest, budget - sum(len(part) + 1 for part in parts))
    return "\n".join(parts)


def ranked(tables: Iterable[Table], description: str) -> list[Table]:
    """Give the tables that matter, the most important first; all of them in a small schema."""
    listed = list(tables)
    words = set(_WORD.findall(description.lower()))
    forms = {form for word in words - _SMALL for form in _forms(word)}
    named = [t for t in listed if _is_named(t, words, forms)]
    by_name = {t.full_name for t in named}
    meant = [t for t in listed if t.full_name not in by_name and _has_named_column(t, words)]
    first = [*named, *(meant if len(meant) <= 10 else [])]
    near = _neighbours(first, listed)
    chosen = [*first, *near, *_led_to([*first, *near], listed)]
    if len(listed) <= 30:
        so_far = {t.full_name for t in chosen}
        chosen += [t for t in listed if t.full_name not in so_far]
    return chosen


def _is_named(table: Table, words: set[str], forms: set[str]) -> bool:
    name = table.name.lower()
    if name in words or name in forms or set(_forms(name)) & forms:
        return True
    # `np_chat_messages` is meant by "messages" and by "chat messages".
    parts = [part for part in name.split("_") if part]
    return len(parts) > 1 and bool(set(_forms(parts[-1])) & forms)


def _has_named_column(table: Table, words: set[str]) -> bool:
    wanted = words - _SMALL
    return any(column.name.lower() in wanted and "_" in column.name for column in table.columns)


def _forms(word: str) -> Iterator[str]:
    """Give a word, its singular and its plural, as far as simple rules go."""
    yield word
    if word.endswith("ies"):
        yield f"{word[:-3]}y"
    elif word.endswith(("ses", "xes", "ches", "shes")):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]
    elif word.endswith("y"):
        yield f"{word[:-1]}ies"
    else:
        yield f"{word}s"


def _neighbours(chosen: list[Table], listed: list[Table]) -> list[Table]:
    """Give the tables that foreign keys lead to, then some of those that lead here."""
    names = {table.full_name for table in chosen}
    towards = _led_to(chosen, listed)
    known = names | {table.full_name for table in towards}
    back = [t for t in listed if t.full_name not in known and names & set(t.references)]
    return [*towards, *back[:_MOST_REFERRING]]


def _led_to(chosen: list[Table], listed: list[Table]) -> list[Table]:
    names = {table.full_name for table in chosen}
    wanted = {name for table in chosen for name in table.references} - names
    return [table for table in listed if table.full_name in wanted]


def _shortened(text: str, room: int) -> str:
    """Give as many whole lines of a table as there is room for."""
    lines = text.split("\n")
    kept, mark = [], "  (the rest of this table is left out)"
    size = len(mark) + 1
    for line in lines:
        size += len(line) + 1
        if size > room:
            break
        kept.append(line)
    return "\n".join([*kept, mark]) if kept else ""


def _bare(names: list[str], room: int) -> list[str]:
    """Give the names of the tables of which nothing else is said."""
    if not names:
        return []
    kept: list[str] = []
    room -= len("other tables: , and 00000 more")
    for name in names:
        if len(name) + 2 > room:
            break
        kept.append(name)
        room -= len(name) + 2
    more = f"{len(names) - len(kept)} more" if len(kept) < len(names) else ""
    listed = ", ".join(kept)
    return [f"other tables: {' and '.join(part for part in (listed, more) if part)}"]
