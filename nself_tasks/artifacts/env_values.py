"""What an old key's value becomes under its new name.

HASURA_GRAPHQL_JWT_SECRET={"type":"HS512","key":"x"}  →  HASURA_JWT_KEY=x, HASURA_JWT_TYPE=HS512
AUTH_ACCESS_TOKEN_EXPIRY=15m                          →  AUTH_ACCESS_TOKEN_EXPIRES_IN=900
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeGuard

from nself_tasks.rewriting.dotenv import Assignment

Conversion = Literal[
    "same",
    "jwt",
    "seconds",
    "environment",
    "meilisearch",
    "typesense",
    "switch",
    "no_ssl",
    "services",
]
"""How a value changes with its key."""

DEFAULT_JWT_TYPE = "HS256"

_ENVIRONMENTS = {
    "development": "dev",
    "develop": "dev",
    "devel": "dev",
    "production": "prod",
    "stage": "staging",
}
_DURATION = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SWITCHES = frozenset({"true", "false", "1", "0"})
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/@%+=-]*")
_WRITABLE = re.compile(r"[ -#%-&(-\[\]-~]+")


@dataclass(frozen=True, slots=True)
class Value:
    """One value: two are equal when they mean the same, however they are written."""

    text: str
    """Quotes and escapes resolved, variables not."""
    literal: bool
    """In single quotes: a dollar is a dollar."""
    written: str = field(compare=False)

    @classmethod
    def of(cls, assignment: Assignment, text: str) -> Value:
        """Give the value of an assignment that was read from the text."""
        written = text[slice(*assignment.value_span)]
        value = assignment.value or ""
        # Without a dollar both sorts of quotes mean the same.
        return cls(value, assignment.quote == "'" and "$" in value, written)

    @property
    def varies(self) -> bool:
        """Whether v1 and v2 may read it otherwise: a variable, or a backslash."""
        return not self.literal and (
            "$" in self.text or ("\\" in self.written and not self.is_single)
        )

    @property
    def is_single(self) -> bool:
        """Whether it is written in single quotes: nothing in it is anything else."""
        return self.written[:1] == "'"


def plain(text: str) -> Value:
    """Give the value that means this text, of which `_WRITABLE` holds."""
    return Value(text, False, text if _PLAIN.fullmatch(text) else f"'{text}'")


def quoted(text: str) -> str | None:
    """Give the text as every reader of env files takes it, its dollars as dollars; None where
    there is no such way."""
    if _PLAIN.fullmatch(text):
        return text
    if "'" not in text and not text.endswith("\\"):
        return f"'{text}'"
    if set(text) & set("`\n") or text.endswith("\\"):
        return None
    # godotenv takes the quote mark behind a last backslash for a part of the value.
    escaped = re.sub(r'(["$\\])', r"\\\1", text)
    return f'"{escaped}"'


Pairs = tuple[tuple[str, Value], ...]


def converted(new: str, conversion: Conversion, value: Value) -> Pairs | None:
    """Give the new key with its value, then its companions; None: the old key has to stay."""
    text = value.text
    match conversion:
        case "same":
            return ((new, value),)
        case "switch":
            return ((new, value),) if text in _SWITCHES else None
        case "no_ssl":
            return ((new, plain("none")),) if text == "false" else None
        case "environment":
            spelled = _ENVIRONMENTS.get(text.lower())
            return ((new, plain(spelled) if spelled else value),)
        case "meilisearch" | "typesense":
            return ((new, value), ("SEARCH_ENGINE", plain(conversion)))
        case "seconds":
            return _seconds(new, value)
        case "jwt":
            return _jwt(new, value)
        case "services":
            return tuple(_services(text)) or None


_SERVICE = re.compile(r"([a-z0-9][a-z0-9_-]*):([a-z0-9][a-z0-9-]*)(?::([A-Za-z0-9.-]+))?", re.I)
_MOST_SERVICES = 10
_FIRST_PORT = 8000


def service_names(text: str) -> tuple[str, ...]:
    """Give the names in CUSTOM_SERVICES, in its order; none where one of them is unclear."""
    found = [_SERVICE.fullmatch(item.strip()) for item in text.split(",")]
    names = tuple(match[1] for match in found if match)
    return names if len(names) == len(found) <= _MOST_SERVICES else ()


def _services(text: str) -> Iterator[tuple[str, Value]]:
    """`api:js:api` is `CS_1=api:js:8000:api`: v1 counted ports from 8000, a route was the name."""
    for number, name in enumerate(service_names(text)):
        match = _SERVICE.fullmatch(text.split(",")[number].strip())
        language, route = (match[2], match[3] or name) if match else ("", name)
        yield f"CS_{number + 1}", plain(f"{name}:{language}:{_FIRST_PORT + number}:{route}")


def _seconds(new: str, value: Value) -> Pairs | None:
    if value.text.isdecimal() or not value.text:
        return ((new, value),)
    found = _DURATION.fullmatch(value.text)
    if found is None:
        return None
    return ((new, plain(str(int(found[1]) * _SECONDS[found[2]]))),)


def _jwt(new: str, value: Value) -> Pairs | None:
    """Take the key out of the JSON; a JSON that says more than type and key stays where it is."""
    if not value.text.lstrip().startswith("{"):
        return ((new, value),)
    try:
        parsed = json.loads(value.text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict) or not parsed.keys() <= {"type", "key"}:
        return None
    key, kind = parsed.get("key"), parsed.get("type", DEFAULT_JWT_TYPE)
    # A variable inside of the JSON is literal or not as its quotes say: better not touched.
    if not _is_plain_text(key) or not _is_plain_text(kind):
        return None
    return ((new, plain(key)), ("HASURA_JWT_TYPE", plain(kind)))


def _is_plain_text(found: object) -> TypeGuard[str]:
    return isinstance(found, str) and _WRITABLE.fullmatch(found) is not None
