"""Which function a statement calls, other than those that only answer."""

from __future__ import annotations

from collections.abc import Sequence

# fmt: off
_BEFORE_PARENTHESES = frozenset(
    (
        "all", "and", "any", "array", "as", "between", "by", "case", "cross", "distinct",
        "else", "end", "except", "exists", "filter", "from", "full", "group", "having", "ilike",
        "in", "inner", "intersect", "is", "join", "lateral", "left", "like", "limit",
        "materialized", "not", "offset", "on", "or", "order", "outer", "over", "partition",
        "recursive", "returning", "right", "row", "select", "similar", "some", "then", "union",
        "using", "values", "when", "where", "with", "within", "char", "character", "decimal",
        "dec", "numeric", "bit", "varchar", "varbit", "time", "timestamp", "interval", "float",
    )
)
# fmt: on
"""Words of the language, and types with a length, that stand before parentheses."""

# fmt: off
_ANSWERING = frozenset(
    (
        "abs", "avg", "cardinality", "char_length", "coalesce", "concat", "count", "currval",
        "format", "greatest", "length", "least", "lower", "max", "md5", "min", "now", "nullif",
        "pg_get_serial_sequence", "round", "set_config", "setval", "nextval", "string_agg",
        "substr", "substring", "sum", "to_char", "to_regclass", "to_timestamp", "trim", "upper",
    )
)
# fmt: on
"""Functions of Postgres that change no row of a table."""


def called_function(words: Sequence[str]) -> str | None:
    """Give the first function called in these lower-case tokens that may do more than answer.

    What is in `pg_catalog` by its name only answers, as far as a migration's data go.
    """
    for at, word in enumerate(words[1:], start=1):
        if word != "(":
            continue
        name = words[at - 1]
        is_name = name[:1] in ('"', "_") or name[:1].isalpha() or name[:1] > "\x7f"
        if not is_name or name in _BEFORE_PARENTHESES:
            continue
        qualified = at >= 3 and words[at - 2] == "."
        if qualified and words[at - 3] == "pg_catalog":
            continue
        if qualified or name not in _ANSWERING:
            return name
    return None
