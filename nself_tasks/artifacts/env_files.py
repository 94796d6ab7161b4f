"""The env files of a project, and what they say together under the order of v1 or of v2.

v1   .env.dev  .env.local|.env.staging  .env.prod  .env.secrets  .env          last one wins
v2   .env  .env.<name>  .env.secrets  .env.local
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from nself_tasks.artifacts.compose_references import compose_files, handed_over, names_in
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
    spelled: Mapping[int, Value] = field(default_factory=dict)
    """By where its key stands: what an assignment's value is to be, without its variables."""

    @classmethod
    def read(cls, name: str, text: str) -> EnvFile:
        """Read a file's text."""
        found = dotenv.read(text)
        # nself reads past text after a closing quote; anything else stops v2.
        broken = (p for p in found.problems if "closing quote" not in p.message)
        return cls(name, text, found.assignments, next(broken, None))

    def value(self, assignment: dotenv.Assignment) -> Value | None:
        """Give an assignment's value; None for a bare key."""
        if found := self.spelled.get(assignment.key_span[0]):
            return found
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
    """Give the names that the project's compose files take from the environment.

    A container that gets a whole env file may read any key of it.
    """
    names = {name for text in compose_files(evidence).values() for name in names_in(text)}
    whole = handed_over(evidence)
    for name, file in env_files(evidence).items():
        if role(name) != "other" and (whole is None or name in whole):
            names.update(assignment.key for assignment in file.assignments)
    return frozenset(names)


def broken_line(evidence: Evidence) -> str | None:
    """Say which line of a live env file means nothing, if one does: what the files say together
    cannot be told before it is mended."""
    for name, file in env_files(evidence).items():
        if file.broken and role(name) in ("live", "ai"):
            return f"line {file.broken.line} of `{name}` is no setting"
    return None


def used_by_values(found: Entries) -> frozenset[str]:
    """Give the names that the values of other keys refer to."""
    return frozenset(
        name
        for pairs in found.values()
        for key, value in pairs
        if value is not None and not value.literal
        for name in references(value.text)
        if name != key
    )
