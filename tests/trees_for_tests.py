"""Project folders as the kinds see them, and what an upgrade makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.finding import Evidence, Finding, Kind
from nself_tasks.artifacts.upgrade import upgraded


def evidence(texts: Mapping[str, str], *names: str) -> Evidence:
    """A project with these files; the ones with a name only are there, but are not read."""
    paths = {PurePosixPath(name): text for name, text in texts.items()}
    files = frozenset(paths) | frozenset(map(PurePosixPath, names))
    folders = frozenset(folder for path in files for folder in path.parents if folder.name)
    return Evidence(files, folders, paths)


def read(folder: Path, kinds: Iterable[Kind]) -> Evidence:
    """What the kinds ask to see of a real folder."""
    names: set[str] = set()
    texts: dict[str, str] = {}
    for kind in kinds:
        for pattern in (*kind.lists, *kind.reads):
            for path in folder.glob(pattern):
                if path.is_file():
                    name = str(path.relative_to(folder))
                    names.add(name)
                    if pattern in kind.reads:
                        texts[name] = path.read_bytes().decode()
    return evidence(texts, *names)


def found(project: Evidence, kinds: Iterable[Kind]) -> list[Finding]:
    """What the kinds find, in the order in which `run` sees it."""
    findings = [finding for kind in kinds for finding in kind.detect(project)]
    return sorted(findings, key=lambda f: (f.path, f.line or 0, f.rule))


def upgrade(project: Evidence, kinds: Iterable[Kind]) -> Evidence:
    """The project afterwards; a file that is moved by name keeps being a name only."""
    texts = {str(path): text for path, text in project.texts.items()}
    names = {str(path) for path in project.files}
    for path, done in upgraded(project, found(project, kinds)).items():
        if done.text is not None:
            texts[str(path)] = done.text
            names.add(str(path))
        elif done.moved_from:
            names.add(str(path))
        else:
            texts.pop(str(path), None)
            names.discard(str(path))
    return evidence(texts, *names)


def kind(name: str) -> Kind:
    """The kind of that name."""
    return next(each for each in registry.kinds() if each.name == name)
