"""What kinds look at, and what they say about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from nself_tasks.rewriting.edits import Edit

Status = Literal["migrate", "ok", "manual", "keep"]
Scope = Literal["project", "home", "plugins"]
"""What is looked at: a project; one in the home folder, whose `.nself/plugins/` every project
shares; or a folder of plugins alone."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a finding's fix does to one file, its own or another one."""

    path: PurePosixPath
    """Relative to the project root; a file that is not there yet is created."""
    edits: tuple[Edit, ...] = ()
    mode: int | None = None
    """Permission bits that the file must have afterwards, e.g. 0o600 for secrets."""
    moved_away: bool = False
    """The file goes into the backup, because v2 would trip over it."""
    moved_from: PurePosixPath | None = None
    """A new file in the place of another: it gets its mode, and without edits its bytes."""
    private_as: tuple[PurePosixPath, ...] = ()
    """Files whose values it takes up: nobody may read them here who may not read them there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One artifact and what a rule says about it."""

    rule: str
    kind: str
    path: PurePosixPath
    """Relative to the project root."""
    line: int | None
    status: Status
    """`migrate` and `manual` are to be done, `ok` is v2, `keep` is not ours to change."""
    message: str
    action: str
    decides_era: bool = False
    """Whether the finding alone says which layout the project is in."""

    changes: tuple[Change, ...] = ()
    """The fix: what `run` will do is what `detect` has found, and nothing else."""
    also_in_v2: bool = False
    """Whether it is a `manual` that any v2 project may have: nothing in it comes from v1."""

    @property
    def is_v1(self) -> bool:
        """Whether something is left to upgrade, by the tool or by hand."""
        return self.status == "migrate" or (self.status == "manual" and not self.also_in_v2)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The part of a project that the kinds asked for."""

    files: frozenset[PurePosixPath] = frozenset()
    folders: frozenset[PurePosixPath] = frozenset()
    texts: Mapping[PurePosixPath, str] = field(default_factory=dict)
    """Of the files to be read, those that are readable text of at most 1 MB."""
    scope: Scope = "project"
    unread: Mapping[PurePosixPath, str] = field(default_factory=dict)
    """Files and folders that are there and could not be read, and why."""
    exposed: frozenset[str] = frozenset()
    """Names of env files with secrets that git would pick up if they were made."""

    def text(self, path: str) -> str | None:
        """Give a file's text, or None."""
        return self.texts.get(PurePosixPath(path))


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of artifact: the globs it wants listed and read, and its rules."""

    name: str
    lists: tuple[str, ...]
    """Globs relative to the project root whose existence matters."""
    reads: tuple[str, ...]
    """Globs of the files whose text matters."""
    detect: Callable[[Evidence], Iterable[Finding]]
    follows: Callable[[PurePosixPath, str], Iterable[PurePosixPath]] | None = None
    """Gives the files that a text that was read leads to: they are read as well."""
