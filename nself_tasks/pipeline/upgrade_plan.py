"""What an upgrade is going to do to the project's files, worked out before anything is written."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nself_tasks.artifact_schemas import COMPOSE
from nself_tasks.artifacts import env, registry
from nself_tasks.artifacts.finding import Finding
from nself_tasks.artifacts.upgrade import Upgraded, upgraded
from nself_tasks.errors import Problem
from nself_tasks.evidence import artifact_evidence
from nself_tasks.installation import mode_of, real_path
from nself_tasks.intent import Entry, Intent, read_intent
from nself_tasks.pipeline import upgrade_checks
from nself_tasks.pipeline.upgrade_choice import chosen
from nself_tasks.regeneration import Regenerated, regenerate

if TYPE_CHECKING:
    from nself_tasks.discovery import Project
    from nself_tasks.pipeline.options import Options
    from nself_tasks.settings import Settings

NEW_FILE_MODE = 0o644
NOBODY_ELSE = stat.S_IRWXU
OWN = "our own rewriters"


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """The findings of a scan, and what each file becomes; or an upgrade that has to be finished."""

    findings: tuple[Finding, ...]
    texts: dict[str, bytes | None]
    """The new bytes of each file; None where it is moved into the backup."""
    entries: tuple[Entry, ...]
    era: str
    unfinished: Intent | None = None
    """Where an earlier run has begun to install: nothing is scanned again before it is finished."""
    faults: tuple[Problem, ...] = ()
    """Why the result must not be installed: it breaks a schema, or is still v1."""
    builder: str = OWN
    seen: tuple[Entry, ...] = ()
    """What our own rewriters make of the files, whoever builds: the same again when nobody has
    changed a file since."""
    refused: str | None = None
    """Why what `nself build` made was not taken."""
    undecided: frozenset[str] = frozenset()
    """The keys of the env files that a person has to decide."""

    @property
    def is_empty(self) -> bool:
        """Whether no file is to be changed."""
        return not self.entries


NO_UPGRADE = UpgradePlan((), {}, (), "v2")


Builder = Callable[["Project", Mapping[str, bytes | None]], Regenerated]
"""Builds the project once more, in a copy: `regeneration.regenerate` with its settings."""


def look(settings: Settings, options: Options) -> UpgradePlan:
    """Scan the files of a run now. Raises what `scan` raises."""
    build = partial(regenerate, builder=options.builder, environ=settings.environ)
    return scan(settings.project, only=options.only, skip=options.skip, build=build)


def scan(
    project: Project,
    *,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    build: Builder | None = None,
) -> UpgradePlan:
    """Look at the project and give the plan; changes nothing.

    `only` and `skip` name kinds; `build` is asked where the compose file becomes v2. Raises
    UsageError for a choice that cannot be, GuardError for files that cannot be read, NselfError for
    an unfinished upgrade that cannot be read and for a builder that cannot do it.
    """
    intent = read_intent(project)
    if intent is not None:
        return UpgradePlan((), {}, intent.entries, intent.era, intent)
    evidence = artifact_evidence(project)
    found = registry.detect(evidence)
    kinds = chosen(found, only, skip)
    files = upgraded(evidence, (f for f in found if f.kind in kinds))
    if not files:
        return UpgradePlan(found, {}, (), registry.era(found))
    texts = {str(path): _bytes(project, file) for path, file in files.items()}
    upgrade_checks.require_read(evidence)
    seen = tuple(_entries(project, files, texts))
    made = build(project, texts) if build and COMPOSE in files else None
    if made is not None and made.texts:
        files = {**files, **{PurePosixPath(p): _built(p, data) for p, data in made.texts.items()}}
        texts |= made.texts
    return UpgradePlan(
        findings=found,
        texts=texts,
        entries=tuple(_entries(project, files, texts)),
        era=registry.era(found),
        faults=tuple(upgrade_checks.faults(evidence, files, kinds)),
        builder=made.builder if made and made.texts else OWN,
        refused=made.refused if made else None,
        seen=seen,
        undecided=env.undecided(evidence),
    )


def _built(path: str, data: bytes | None) -> Upgraded:
    text = None if data is None else data.decode("utf-8", "surrogateescape")
    return Upgraded(PurePosixPath(path), text)


def _bytes(project: Project, file: Upgraded) -> bytes | None:
    if file.text is None and file.moved_from:
        return real_path(project, str(file.moved_from)).read_bytes()
    return None if file.text is None else file.text.encode("utf-8", "surrogateescape")


def _mode(project: Project, file: Upgraded) -> int | None:
    if file.mode is None and file.moved_from:
        return mode_of(real_path(project, str(file.moved_from)))
    if file.mode is not None or not file.private_as:
        return file.mode
    mode = mode_of(real_path(project, str(file.path)))
    mode = NEW_FILE_MODE if mode is None else mode
    for source in file.private_as:
        theirs = mode_of(real_path(project, str(source)))
        mode &= NOBODY_ELSE if theirs is None else theirs | stat.S_IRWXU
    return mode


def _entries(
    project: Project,
    files: Mapping[PurePosixPath, Upgraded],
    texts: Mapping[str, bytes | None],
) -> Iterator[Entry]:
    """Give an entry for each file that is to be another one, or to have other permissions."""
    for path, file in sorted(files.items()):
        entry = _entry(project, str(path), texts[str(path)], _mode(project, file))
        if entry.before != entry.after or _mode_differs(project, entry):
            yield entry


def _entry(project: Project, path: str, data: bytes | None, mode: int | None) -> Entry:
    real = real_path(project, path)
    was = mode_of(real)
    before = hashlib.sha256(real.read_bytes()).hexdigest() if was is not None else None
    after = hashlib.sha256(data).hexdigest() if data is not None else None
    return Entry(path, before, after, mode if mode is not None else was or NEW_FILE_MODE)


def _mode_differs(project: Project, entry: Entry) -> bool:
    return entry.after is not None and mode_of(real_path(project, entry.path)) != entry.mode
