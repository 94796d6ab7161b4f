"""Two catalogs side by side: what a draft leaves behind, takes along or makes worse."""

from __future__ import annotations

from collections.abc import Iterator

from nself_tasks.database.proof.catalog import Catalog, Key

_AS_IT_WAS_MADE = ("grants", "row security")
"""What a thing that is made anew loses silently."""
_HIDDEN = ("table", "place")
"""Aspects of a column that say where it is; the order is compared by itself."""
_BETTER = ("filled", True)
_MOST = 8


def differences(before: Catalog, up: Catalog, after: Catalog) -> tuple[str, ...]:
    """Give in words what up and down together have changed; nothing where down restores all."""
    found = [
        *(f"{_shown(key)} is gone" for key in before.things if key not in after.things),
        *(
            f"{_shown(key)} is left, which was not there before"
            for key in after.things
            if key not in before.things
        ),
        *_changed(before, after),
        *_reordered(before, up, after),
    ]
    more = [f"and {len(found) - _MOST} more differences"] if len(found) > _MOST else []
    return tuple(found[:_MOST] + more)


def lost_on_the_way(before: Catalog, up: Catalog) -> tuple[str, ...]:
    """Give what a thing that up makes anew under its old name has lost by that."""
    found = []
    for key, aspects in before.things.items():
        now = up.things.get(key)
        if now is None or before.oids[key] == up.oids[key] or not before.oids[key]:
            continue
        for aspect in _AS_IT_WAS_MADE:
            if aspects.get(aspect) != now.get(aspect):
                found.append(
                    f"up makes {_shown(key)} anew, and its {aspect} are lost:"
                    f" {aspects.get(aspect)} before, {now.get(aspect)} now"
                )
    return tuple(found)


def is_explained(before: Catalog, up: Catalog, table: str, column: str | None) -> bool:
    """Tell whether up took the table or column away, or made it another: its rows may differ."""
    for kind, name in (("table", table), ("column", f"{table}.{column}")):
        if (kind, name) in before.things and _same(before, up, (kind, name)) is False:
            return True
    return False


def widened(before: Catalog, up: Catalog) -> frozenset[str]:
    """Give the tables that were there before and have a column more."""
    added = (str(up.things[key].get("table")) for key in up.things.keys() - before.things.keys()
             if key[0] == "column")  # fmt: skip
    return frozenset(table for table in added if ("table", table) in before.things)


def columns_moved(before: Catalog, after: Catalog) -> tuple[str, ...]:
    """Give the tables whose columns are in another order than they were."""
    return tuple(
        table for table, order in _orders(before).items() if _orders(after).get(table) != order
    )


def _same(before: Catalog, up: Catalog, key: Key) -> bool | None:
    now = up.things.get(key)
    if now is None:
        return False
    if key[0] == "table":
        return before.oids[key] == up.oids[key]
    return before.things[key].get("type") == now.get("type")


def _changed(before: Catalog, after: Catalog) -> Iterator[str]:
    for key, aspects in before.things.items():
        now = after.things.get(key)
        if now is None:
            continue
        for aspect in sorted({*aspects, *now} - set(_HIDDEN)):
            # A copy of a live schema has its materialized views without data: filled is no worse.
            if aspects.get(aspect) != now.get(aspect) and (aspect, now.get(aspect)) != _BETTER:
                was, is_now = _value(aspects.get(aspect)), _value(now.get(aspect))
                yield f"{_shown(key)}: {aspect} was {was}, is {is_now}"


def _reordered(before: Catalog, up: Catalog, after: Catalog) -> Iterator[str]:
    """A column that up takes away comes back as the last one; all others keep their order."""
    kept, now = _orders(up), _orders(after)
    for table, order in _orders(before).items():
        if table not in now:
            continue
        # A table that up has made anew had no reason to have its columns in another order.
        stay = [column for column in order if column in kept.get(table, order)]
        for told, columns in (("up", kept.get(table)), ("down", now[table])):
            if columns is not None and [c for c in columns if c in stay] != stay:
                yield f"{told} changes the order of the columns of {table}"
                break


def _orders(catalog: Catalog) -> dict[str, list[str]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for (kind, name), aspects in catalog.things.items():
        if kind == "column":
            place = aspects["place"]
            assert isinstance(place, int)
            table = str(aspects["table"])
            found.setdefault(table, []).append((place, name.removeprefix(f"{table}.")))
    return {table: [name for _, name in sorted(columns)] for table, columns in found.items()}


def _shown(key: Key) -> str:
    return f"the {key[0]} {key[1]}"


def _value(value: object) -> str:
    text = "not set" if value is None else str(value).replace("\n", " ")
    return text if len(text) <= 120 else text[:120] + "…"
