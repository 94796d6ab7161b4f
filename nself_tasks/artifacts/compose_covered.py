"""What of a compose file is covered by another one that Compose merges over it.

    volumes: [postgres_data:/var/lib/postgresql/data]
      under
    volumes: [{type: volume, source: other, target: /var/lib/postgresql/data}]    ->  volumes

Compose takes single values from the later file, merges mappings key by key, joins lists, and puts a
mount in the place of another one with its target. The tags `!reset` and `!override` cover whatever
they stand at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nself_tasks.rewriting.yaml_spans import Node
from nself_tasks.rewriting.yaml_values import plain

_REPLACED = frozenset({"command", "entrypoint", "test"})
"""The lists that are no lists to Compose's merge, but one value."""
_TABLES = frozenset({"environment", "labels", "annotations", "sysctls", "extra_hosts", "args"})
_JOINED = frozenset({"env_file", "tmpfs", "dns", "dns_search", "expose", "external_links"})
_TAGS = ("!reset", "!override")
_BY_ITSELF = {"driver": ("local", "bridge", "default")}


def covered(over: Any, base: Any) -> Iterator[str]:
    """Give the settings of one service that cover the first file's; what only adds does not."""
    if not isinstance(over, dict) or not isinstance(base, dict):
        return
    for key, value in over.items():
        below = base.get(key)
        if below is None or value is None or below == value:
            continue
        if key in _TABLES:
            mine, theirs = _table(value), _table(below)
            names = (k for k in mine if k in theirs and mine[k] != theirs[k])
            yield from names if key == "environment" else (f"{key}.{name}" for name in names)
        elif key in _REPLACED:
            yield key
        elif key == "volumes":
            if _other_mounts(value, below):
                yield key
        elif isinstance(value, dict):
            yield from (f"{key}.{name}" for name in covered(value, below))
        elif not isinstance(value, list) and key not in _JOINED and str(value) != str(below):
            yield key


def tagged(text: str, over: Node | None, base: Any) -> Iterator[str]:
    """Give the settings of the first file that a tag takes out or replaces."""
    for key, value in over.pairs if over else ():
        if isinstance(base, dict) and key.value in base:
            if text.startswith(_TAGS, value.start):
                yield key.value
            else:
                inner = (f"{key.value}.{n}" for n in tagged(text, value, base[key.value]))
                yield from inner


def of_the_file(over: Node, base: Node) -> Iterator[str]:
    """Give what the later file says about the project's name, its volumes and its networks."""
    theirs, mine = _mapping(plain(base)), _mapping(plain(over))
    if (name := mine.get("name")) is not None and name != theirs.get("name"):
        yield "`name` of the project, and with it its volumes"
    for sort in ("volumes", "networks"):
        below = _mapping(theirs.get(sort))
        for key, settings in _mapping(mine.get(sort)).items():
            if key in below and _is_another(settings, below[key]):
                yield f"the settings of `{key}` in `{sort}`"


def _is_another(settings: Any, known: Any) -> bool:
    """Tell whether a volume's or network's settings are new ones; a new name is another volume."""
    below = _mapping(known)
    return isinstance(settings, dict) and any(
        below.get(key) != value and value not in _BY_ITSELF.get(key, ())
        for key, value in settings.items()
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _table(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {key: str(item) for key, item in value.items()}
    pairs = (str(item).partition("=") for item in (value if isinstance(value, list) else []))
    return {name: rest for name, _, rest in pairs}


def _other_mounts(over: Any, base: Any) -> bool:
    below = _mounts(base)
    return any(below.get(target, mount) != mount for target, mount in _mounts(over).items())


def _mounts(items: Any) -> dict[str, tuple[str, bool]]:
    """Give source and whether it is read-only by target, short and long form alike."""
    found: dict[str, tuple[str, bool]] = {}
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            source, target = str(item.get("source") or ""), str(item.get("target") or "")
            found[target.rstrip("/")] = (source.rstrip("/"), item.get("read_only") is True)
        else:
            source, sign, rest = str(item).partition(":")
            target, _, options = (rest if sign else source).partition(":")
            place = source.rstrip("/") if sign else ""
            found[target.rstrip("/")] = (place, "ro" in options.split(","))
    return found
