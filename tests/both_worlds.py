"""What a project means to v1 and to v2, from both CLIs' sources; nothing here is the product's.

v1 sources one env file after the other in bash, and gives Compose what is set then. v2 reads each
file by itself with joho/godotenv 1.5.1, in which `${X}` sees the lines above it in that file only.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

Values = dict[str, str]

V1_FILES = {
    "dev": (".env.dev", ".env.local", ".env"),
    "staging": (".env.dev", ".env.staging", ".env"),
    "prod": (".env.dev", ".env.staging", ".env.prod", ".env.secrets", ".env"),
}
V2_FILES = (".env", ".env.{}", ".env.secrets", ".env.local")
_LINE = re.compile(
    r"[ \t]*(?:export[ \t]+)?(\w+)=(?:'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|([^\n]*))", re.DOTALL
)
_NAME = re.compile(r"\$\{(\w+)(:?-)?|\$(\w+)")
_IN_GO = re.compile(r"(\\)?(\$)(\()?\{?([A-Z0-9_]+)?\}?")


def _lines(text: str) -> Iterable[tuple[str, str, bool]]:
    """Key, value without its quotes, and whether a dollar in it is just a dollar."""
    for found in re.finditer(rf"^{_LINE.pattern}", text, re.MULTILINE | re.DOTALL):
        key, single, double, bare = found.groups()
        if single is not None:
            yield key, single, True
        elif double is not None:
            yield key, re.sub(r"\\([\"\\])", r"\1", double), False
        else:
            yield key, re.sub(r"(?:^|\s)#.*", "", bare).strip(), False


def in_bash(value: str, known: Mapping[str, str]) -> str:
    """`$X`, `${X}`, `${X-d}` and `${X:-d}`, one inside of the other; `$$` is a dollar."""
    text, end = _until(value.replace("$$", "\0"), 0, known, closing=False)
    assert end == len(value.replace("$$", "\0"))
    return text.replace("\0", "$")


def _until(value: str, at: int, known: Mapping[str, str], *, closing: bool) -> tuple[str, int]:
    """The text from `at` to its end, or to the brace that closes it, with where that is."""
    found = ""
    while at < len(value) and not (closing and value[at] == "}"):
        name = _NAME.match(value, at)
        if name is None:
            found, at = found + value[at], at + 1
        elif name[3]:
            found, at = found + known.get(name[3], ""), name.end()
        else:
            default, at = _until(value, name.end(), known, closing=True)
            at += 1
            got = known.get(name[1])
            empty = got is None or (name[2] == ":-" and not got)
            found += default if name[2] and empty else got or ""
    return found, at


def in_go(value: str, above: Mapping[str, str]) -> str:
    """Upper-case names only, and no defaults."""

    def one(found: re.Match[str]) -> str:
        if found[1] or found[3]:
            return found[0][1:]
        return above.get(found[4], "") if found[4] else found[0]

    return _IN_GO.sub(one, value)


Entry = tuple[str, str, bool]
"""Key, value without its quotes, and whether a dollar in it is just a dollar."""


def sourced(files: Iterable[Iterable[Entry]]) -> Values:
    """What bash has set after the files, one after the other, and after doing so once more."""
    listed = [list(entries) for entries in files]
    known: Values = {}
    for _ in ("the first time", "its commands source them again"):
        earlier, known = known, {}
        for key, value, literal in itertools.chain.from_iterable(listed):
            before = {name: told for name, told in earlier.items() if name != key}
            known[key] = value if literal else in_bash(value, {**before, **known})
    return known


def loaded(files: Iterable[Iterable[Entry]]) -> Values:
    """What v2 has set after the files, each of which it reads by itself."""
    known: Values = {}
    for entries in files:
        here: Values = {}
        for key, value, literal in entries:
            here[key] = value if literal else in_go(value, here)
        known.update(here)
    return known


def under_v1(root: Path, environment: str) -> Values:
    """What v1 sets in an environment; one of the project's own has `.env.<name>` between."""
    names = V1_FILES.get(environment, (".env.dev", f".env.{environment}", ".env"))
    return sourced(_lines(_text(root / name)) for name in names)


def under_v2(root: Path, environment: str) -> Values:
    """What v2 sets in an environment."""
    return loaded(_lines(_text(root / name.format(environment))) for name in V2_FILES)


def environment_of_v1(root: Path) -> str:
    """Which environment v1 runs as: `ENV=` in `.env`, else dev."""
    return _spelled(next(iter(re.findall(r"^ENV=(\S+)", _text(root / ".env"), re.M)), "dev"))


def environment_of_v2(root: Path) -> str:
    """So does v2."""
    return _spelled(
        {key: value for key, value, _ in _lines(_text(root / ".env"))}.get("ENV", "dev")
    )


def _spelled(word: str) -> str:
    return {"production": "prod", "development": "dev", "stage": "staging"}.get(word, word)


def handed_to_compose_by_v1(root: Path, environment: str) -> Values:
    """What v1 sets, with what its build adds; `.env.computed` is of the environment in use."""
    in_use = environment == environment_of_v1(root)
    computed = _text(root / ".env.computed") if in_use else ""
    found = {**{key: value for key, value, _ in _lines(computed)}, **under_v1(root, environment)}
    if built_for := re.search(r"^#\s*Project: *(\S+)", _text(root / "docker-compose.yml"), re.M):
        found.setdefault("PROJECT_NAME", built_for[1])
    user, password = found.get("POSTGRES_USER", "postgres"), found.get("POSTGRES_PASSWORD", "")
    database = found.get("POSTGRES_DB") or found.get("PROJECT_NAME", "")
    url = f"postgresql://{user}:{password}@postgres:5432/{database}"
    found.setdefault("DATABASE_URL", url)
    found.setdefault("DOCKER_NETWORK", f"{found.get('PROJECT_NAME', '')}_network")
    return found


def containers(root: Path, values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Each service with its variables replaced, its environment a mapping, JSON in it read."""
    data = yaml.safe_load(_text(root / "docker-compose.yml"))
    found = {}
    for name, spec in _replaced(data["services"], lambda text: in_bash(text, values)).items():
        listed = spec.get("environment") or {}
        if isinstance(listed, list):
            listed = dict(item.partition("=")[::2] for item in listed)
        spec["environment"] = {key: _json(value) for key, value in listed.items()}
        found[name] = spec
    return found


def _json(value: Any) -> Any:
    try:
        read = json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    except ValueError:
        return value
    return {"type": "HS256", **read} if isinstance(read, dict) and "key" in read else read


def _replaced(value: Any, how: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, how) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, how) for item in value]
    return how(value) if isinstance(value, str) else value


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
