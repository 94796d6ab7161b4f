"""The env files of a project, and what they say together under the order of v1 or of v2.

v1   .env.dev  .env.local|.env.staging  .env.prod  .env.secrets  .env          last one wins
v2   .env  .env.<name>  .env.secrets  .env.local
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from nself_tasks.artifacts.env_values import Value
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.errors import Problem
from nself_tasks.rewriting import dotenv
from nself_tasks.rewriting.expansion import references

Era = Literal["v1", "v2"]
Role = Literal["live", "template", "ai", "other"]

BASE, DEV, LOCAL, SECRETS, AI = ".env", ".env.dev", ".env.local", ".env.secrets", ".env.ai"
ENVIRONMENTS = ("dev", "staging", "prod")

_TEMPLATE = re.compile(r"\.env(?:\.[\w.-]+)?\.(?:example|sample|template|dist|tpl)")
_OWN_NAME = re.compile(r"\.env\.([a-z0-9][a-z0-9_-]{0,62})")
_NO_ENVIRONMENTS = frozenset(
    {
        "backup",
        "bak",
        "computed",
        "defaults",
        "devel",
        "develop",
        "development",
        "old",
        "orig",
        "production",
        "runtime",
        "save",
        "stage",
        "swp",
        "tmp",
    }
)
"""`.env.<name>` files that nself reads in no environment; the generated ones are leftovers."""

_PASSED_ON = re.compile(
    r"""^[ \t]*(?:-[ \t]*["']?(\w+)["']?|["']?(\w+)["']?:)[ \t]*\r?$""", re.MULTILINE
)
"""`- KEY` and `KEY:` without a value: Compose hands the variable of that name on."""


def role(name: str) -> Role:
    """Say what an env file of that name is to nself."""
    if _TEMPLATE.fullmatch(name):
        return "template"
    if name == AI:
        return "ai"
    own = _OWN_NAME.fullmatch(name)
    return "live" if name == BASE or (own and own[1] not in _NO_ENVIRONMENTS) else "other"


def order(environment: str, era: Era) -> tuple[str, ...]:
    """Give the files of an environment, the weakest first."""
    own = f".env.{environment}"
    if era == "v2":
        return (BASE, own, SECRETS, LOCAL)
    between = {"dev": (LOCAL,), "prod": (".env.staging", own, SECRETS)}
    return (DEV, *between.get(environment, (own,)), BASE)


@dataclass(frozen=True, slots=True)
class EnvFile:
    """One env file and what stands in it."""

    name: str
    text: str
    assignments: tuple[dotenv.Assignment, ...]
    broken: Problem | None
    """The first line that means nothing: such a file is never written to."""

    @classmethod
    def read(cls, name: str, text: str) -> EnvFile:
        """Read a file's text."""
        found = dotenv.read(text)
        # nself reads past text after a closing quote; anything else stops v2.
        broken = (p for p in found.problems if "closing quote" not in p.message)
        return cls(name, text, found.assignments, next(broken, None))

    def value(self, assignment: dotenv.Assignment) -> Value | None:
        """Give an assignment's value; None for a bare key."""
        return None if assignment.value is None else Value.of(assignment, self.text)


@dataclass(frozen=True, slots=True)
class Setting:
    """What wins for one key."""

    value: Value | None
    inherits: bool
    """A bare `KEY` stands above the value: the process's value wins where there is one."""
    file: str

    def same(self, other: Setting | None) -> bool:
        """Tell whether both give the same, wherever they stand."""
        return other is not None and (self.value, self.inherits) == (other.value, other.inherits)


Entries = Mapping[str, Iterable[tuple[str, Value | None]]]
"""The keys and values of each file, in its order."""


def entries(files: Iterable[EnvFile]) -> dict[str, list[tuple[str, Value | None]]]:
    """Give what the files say as they stand."""
    return {f.name: [(a.key, f.value(a)) for a in f.assignments] for f in files}


def settings(found: Entries, names: Iterable[str]) -> dict[str, Setting]:
    """Merge the files, the weakest first."""
    merged: dict[str, Setting] = {}
    for name in names:
        for key, value in found.get(name, ()):
            below = merged.get(key)
            if value is not None:
                merged[key] = Setting(value, False, name)
            else:
                merged[key] = Setting(below.value if below else None, True, name)
    return merged


def environments(names: Iterable[str]) -> tuple[str, ...]:
    """Give the three environments and those of the project's own names."""
    own = {match[1] for name in names if (match := _OWN_NAME.fullmatch(name))}
    return (*ENVIRONMENTS, *sorted(own - {*ENVIRONMENTS, "local", "secrets"} - _NO_ENVIRONMENTS))


def env_files(evidence: Evidence) -> dict[str, EnvFile]:
    """Give the readable env files of the project root by name."""
    return {
        path.name: EnvFile.read(path.name, text)
        for path, text in sorted(evidence.texts.items())
        if is_env_path(path)
    }


def is_env_path(path: PurePosixPath) -> bool:
    """Tell whether a path is an env file of the project root."""
    return len(path.parts) == 1 and (path.name == BASE or path.name.startswith(".env."))


def used_by_compose(evidence: Evidence) -> frozenset[str]:
    """Give the names that the project's compose files take from the environment."""
    names: set[str] = set()
    for path, text in evidence.texts.items():
        if len(path.parts) == 1 and path.suffix in (".yml", ".yaml"):
            names.update(references(text))
            names.update(match[1] or match[2] for match in _PASSED_ON.finditer(text))
    return frozenset(names)


def used_by_values(found: Entries) -> frozenset[str]:
    """Give the names that the values themselves refer to."""
    return frozenset(
        name
        for pairs in found.values()
        for _, value in pairs
        if value is not None and not value.literal
        for name in references(value.text)
    )
