"""A plan for the env files: what happens to each assignment, and what they will say then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from nself_tasks.artifacts.env_edits import Decision
from nself_tasks.artifacts.env_files import EnvFile, Setting
from nself_tasks.artifacts.env_spelled import spelled
from nself_tasks.artifacts.env_values import Value
from nself_tasks.artifacts.env_vocabulary import Vocabulary

Orders = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""For each environment in use the files in v1's order and in v2's."""


@dataclass(slots=True)
class Plan:
    """What happens to each assignment, and what is added to which file."""

    files: Mapping[str, EnvFile]
    orders: Orders
    words: Vocabulary
    targets: Mapping[str, Mapping[str, Setting]]
    """What every environment must resolve to."""
    decisions: dict[str, list[Decision]]
    added: dict[str, dict[str, Setting]] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    """New keys whose old ones cannot be renamed without changing an environment."""

    def entries(self) -> dict[str, list[tuple[str, Value | None]]]:
        """Give what the files will say."""
        return {
            name: list(self._entries(name)) for name in dict.fromkeys((*self.files, *self.added))
        }

    def _entries(self, name: str) -> Iterator[tuple[str, Value | None]]:
        file = self.files.get(name)
        for number, assignment in enumerate(file.assignments if file else ()):
            decision = self.decisions[name][number]
            if file and decision.action in ("keep", "copy"):
                yield assignment.key, file.value(assignment)
            yield from decision.pairs
        for key, setting in self.added.get(name, {}).items():
            if setting.value is not None:
                yield key, setting.value
            if setting.inherits:
                yield key, None

    def resolved(self, era: Literal["v1", "v2"]) -> dict[str, dict[str, Setting]]:
        """Give what every environment will resolve to in v1 or in v2, variables spelled out."""
        found, number = self.entries(), ("v1", "v2").index(era)
        return {name: spelled(found, both[number], era) for name, both in self.orders.items()}

    def add(self, name: str, key: str, setting: Setting) -> None:
        """Set a key at the end of a file."""
        self.added.setdefault(name, {})[key] = setting
