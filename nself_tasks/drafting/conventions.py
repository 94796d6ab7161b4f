"""The habits of a schema, counted: how it names things, keys, timestamps, tenants, row security."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from nself_tasks.drafting import redaction
from nself_tasks.drafting.tables import Column, Outline, Table

TENANT_COLUMNS = (
    "tenant_id",
    "source_account_id",
    "organization_id",
    "organisation_id",
    "org_id",
    "account_id",
    "workspace_id",
    "team_id",
)
"""Columns that say whose row it is; `source_account_id` is the one of the nself plugins."""
_MOMENT = re.compile(r"(?:created|updated|deleted)_?at\Z|(?:created|updated|deleted)_?on\Z", re.I)
_RECENT = 8
_TIMESTAMPS = (
    "a new table has `created_at timestamptz NOT NULL DEFAULT now()` and"
    " `updated_at timestamptz NOT NULL DEFAULT now()`"
)


def house_rules(outline: Outline, names: Sequence[str]) -> list[str]:
    """Give the rules that a draft follows here, most of them read off the schema.

    `names` are those of the existing migrations, oldest first.
    """
    tables = [table for table in outline.tables if "table" in table.kind]
    rules = [*_keys(tables), *_moments(tables), *_tenants(tables), *_indexes(tables)]
    if tables:
        rules.append(_case(tables))
    if names:
        rules.append(f"recent migrations are named {', '.join(names[-_RECENT:])}: name it likewise")
    return rules


def _case(tables: list[Table]) -> str:
    plural = sum(table.name.endswith("s") for table in tables)
    camel = sum(bool(re.search(r"[a-z][A-Z]", table.name)) for table in tables)
    number = "plural" if plural * 2 >= len(tables) else "singular"
    case = "camelCase in double quotes" if camel * 2 > len(tables) else "snake_case"
    return f"table names are {number}, names are {case}"


def _most_common(found: Iterable[str]) -> tuple[str, int] | None:
    return next(iter(Counter(found).most_common(1)), None)


def _keys(tables: list[Table]) -> list[str]:
    ids = (_spelled(column) for t in tables for column in t.columns if column.name == "id")
    common = _most_common(ids)
    return [f"primary keys are mostly `{common[0]}`"] if common else []


def _moments(tables: list[Table]) -> list[str]:
    found = [
        (column.name, _spelled(column))
        for table in tables
        for column in table.columns
        if _MOMENT.search(column.name)
    ]
    names = [name for name, count in Counter(n for n, _ in found).most_common(3) if count > 1]
    if not names:
        return [_TIMESTAMPS]
    spelled = [_most_common(s for n, s in found if n == name) for name in names]
    return [
        "a new table has the timestamps of the others: "
        + ", ".join(f"`{common[0]}`" for common in spelled if common)
    ]


def _tenants(tables: list[Table]) -> list[str]:
    common = _most_common(
        column.name for t in tables for column in t.columns if column.name in TENANT_COLUMNS
    )
    secured = [table.full_name for table in tables if table.row_security]
    if common is None:
        return [
            "a table whose rows belong to one tenant enables row level security, with a policy"
        ] + ([f"row level security is on for {', '.join(secured[:5])}"] if secured else [])
    rule = f"a new table with `{common[0]}` belongs to tenants: ENABLE ROW LEVEL SECURITY"
    return [f"{rule}, with policies like those of {', '.join(secured[:5])}" if secured else rule]


def _indexes(tables: list[Table]) -> list[str]:
    """Tell idx_users_email from users_email_idx."""
    found = re.compile(r"\bINDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?\"?(\w+)", re.IGNORECASE)
    names = [m[1] for table in tables for rule in table.rules if (m := found.search(rule))]
    first = [name for name in names if name.startswith(("idx_", "ix_"))]
    last = [name for name in names if name.endswith(("_idx", "_index"))]
    like = first if len(first) > len(last) else last
    return [f"indexes are named like `{like[0]}`"] if like else []


def _spelled(column: Column) -> str:
    parts = (
        column.name,
        column.type,
        column.extra,
        "not null" if column.not_null else "",
        f"default {column.default}" if column.default else "",
    )
    return redaction.sql(" ".join(part for part in parts if part))
