"""What is planted in a column: three different values of its type, as literals that Postgres reads.

A flavour says what a text looks like: a conversion of text works for some and not for others.
`words` are as long, and their numbers as large, as a column allows within reason, so that a
narrower type is felt; `modest` are the same without that.
"""

from __future__ import annotations

import re
from typing import Literal

Flavour = Literal["words", "modest", "numbers", "dates", "uuids", "objects", "truths"]
FORMS: tuple[Flavour, ...] = ("numbers", "dates", "uuids", "objects", "truths")
"""What texts may be, where they are no words."""
ROWS = 3
FIRST = 7001
"""Of integers: what a migration itself inserts begins at 1."""

_TEXTS = {
    "numbers": "{n}",
    "dates": "2001-01-0{i}",
    "uuids": "00000000-0000-4000-8000-00000000000{i}",
    "objects": '{{"planted": {i}}}',
    "truths": "true",
}
_BY_TYPE = {
    "date": "2001-01-0{i}",
    "time": "01:00:0{i}",
    "timetz": "01:00:0{i}+00",
    "timestamp": "2001-01-0{i} 01:00:00",
    "timestamptz": "2001-01-0{i} 01:00:00+00",
    "interval": "{i} days",
    "uuid": "00000000-0000-4000-8000-00000000000{i}",
    "json": '{{"planted": {i}}}',
    "jsonb": '{{"planted": {i}}}',
    "bytea": "\\x0{i}",
    "inet": "10.0.0.{i}",
    "cidr": "10.0.{i}.0/24",
    "macaddr": "08:00:2b:01:02:0{i}",
    "macaddr8": "08:00:2b:01:02:03:04:0{i}",
    "tsvector": "planted{i}",
    "tsquery": "planted{i}",
    "point": "({i},{i})",
    "line": "{{1,{i},0}}",
    "lseg": "[(0,0),({i},{i})]",
    "box": "(({i},{i}),(0,0))",
    "path": "[(0,0),({i},{i})]",
    "polygon": "((0,0),({i},{i}),({i},0))",
    "circle": "<(0,0),{i}>",
    "money": "{i}",
    "xml": "<planted>{i}</planted>",
    "int4range": "[{i}0,{i}9)",
    "int8range": "[{i}0,{i}9)",
    "numrange": "[{i}0,{i}9)",
    "daterange": "[2001-0{i}-01,2001-0{i}-09)",
    "tsrange": "[2001-0{i}-01,2001-0{i}-09)",
    "tstzrange": "[2001-0{i}-01 00:00+00,2001-0{i}-09 00:00+00)",
    "hstore": "planted=>{i}",
    "ltree": "planted.n{i}",
    "geometry": "POINT({i} {i})",
    "geography": "POINT({i} {i})",
    "name": "planted{i}",
    "pg_lsn": "0/{i}",
    "oid": "{n}",
}
_NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8")
_WIDE = {"int4": "70002", "int8": "5000000002"}
"""Too large for the next smaller type; an index in a loop may still be made of the first."""
_FRACTION = ".25"
"""Of a number that may have any: exact in every type."""
_LONGEST, _MODEST = 300, 60
"""Letters of a text that may have any number of them."""
_TEXT_TYPES = ("text", "varchar", "bpchar", "citext", "char")
_MODIFIER = re.compile(r"\((\d+)(?:,\s*(-?\d+))?\)")


def value(
    type_name: str, shown: str, labels: tuple[str, ...], row: int, flavour: Flavour
) -> str | None:
    """Give the literal for a row from 1 to `ROWS`; None where nothing is known of the type.

    `type_name` is the base type's own name (`int4`, `_text` for arrays), `shown` as
    `format_type` writes it, with its modifiers.
    """
    if type_name.startswith("_"):
        inner = value(type_name[1:], shown.removesuffix("[]"), labels, row, flavour)
        if inner is None:
            return None
        escaped = inner.replace("\\", "\\\\").replace('"', '\\"')
        return f'{{"{escaped}"}}'
    if labels:
        return labels[(row - 1) % len(labels)]
    if type_name == "bool":
        return "ftf"[row - 1]
    if type_name in _NUMBERS:
        if flavour == "words" and row == 2 and type_name in _WIDE:
            return _WIDE[type_name]
        return _number(type_name, shown, row)
    if type_name in _TEXT_TYPES:
        return _text(shown, row, flavour)
    if type_name in ("bit", "varbit"):
        found = _MODIFIER.search(shown)
        width = int(found[1]) if found else 1
        return format(row, "b").zfill(width)[-width:]
    if type_name == "vector":
        found = _MODIFIER.search(shown)
        return "[" + ",".join([str(row)] * int(found[1] if found else 3)) + "]"
    known = _BY_TYPE.get(type_name)
    return known.format(i=row, n=FIRST + row - 1) if known else None


def _number(type_name: str, shown: str, row: int) -> str:
    """Give a number that fits: with a scale one that has it, where there are places enough."""
    found = _MODIFIER.search(shown)
    if not found and not type_name.startswith("int"):
        return f"{FIRST + row - 1}{_FRACTION}"
    precision, scale = (int(found[1]), int(found[2] or 0)) if found else (20, 0)
    whole = (
        str(FIRST + row - 1) if precision - scale >= 4 else (str(row) if precision > scale else "0")
    )
    return f"{whole}.{str(row).rjust(scale, '0')}" if scale > 0 else whole


def _text(shown: str, row: int, flavour: Flavour) -> str:
    found = _MODIFIER.search(shown)
    any_length = _LONGEST if flavour == "words" else _MODEST
    longest = int(found[1]) if found else (1 if shown in ("character", '"char"') else any_length)
    if longest < 10:
        return str(row)[:longest]
    if flavour in _TEXTS:
        return _TEXTS[flavour].format(i=row, n=FIRST + row - 1)[: min(longest, _MODEST)]
    # With a capital, and in one row a blank at the end, so that `lower()` and `trim()` change
    # something.
    text = f"Planted {row} " + "x" * _LONGEST
    if row == 2:
        return text[: min(longest, _MODEST) - 1] + " "
    return text[: min(longest, _LONGEST)]
