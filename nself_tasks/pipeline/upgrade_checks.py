"""What an upgrade must show of itself before anything of it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from nself_tasks import artifact_schemas
from nself_tasks.artifacts import registry
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.artifacts.upgrade import Upgraded
from nself_tasks.errors import GuardError, Problem


def faults(
    evidence: Evidence, files: Mapping[PurePosixPath, Upgraded], kinds: Iterable[str]
) -> Iterator[Problem]:
    """Give what is wrong with the files as they would be: by their schemas, and by the rules.

    The result is looked at once more with the same rules: whatever they would change again was
    not upgraded.
    """
    for path, file in files.items():
        if file.text is not None:
            yield from artifact_schemas.introduced(path, evidence.text(str(path)), file.text)
    left = [
        found
        for found in registry.detect(_after(evidence, files))
        if found.changes and found.kind in set(kinds)
    ]
    yield from (_again(found) for found in left)


def require_read(evidence: Evidence) -> None:
    """Raise GuardError where a file of the project could not be read: it would stay v1."""
    unread = [
        Problem(why, str(path))
        for path, why in evidence.unread.items()
        # A plugin is v1 or v2 by itself.
        if "plugins" not in path.parts and evidence.scope != "plugins"
    ]
    if unread:
        raise GuardError(
            f"{len(unread)} file{'s' if len(unread) > 1 else ''} of the project could not be read,"
            " so nothing of it is upgraded",
            problems=unread,
            hint="run as somebody who can read them, and put files themselves in the place of"
            " links out of the project; `--schema-only` applies the migrations alone",
            database="unchanged",
        )


def _after(evidence: Evidence, files: Mapping[PurePosixPath, Upgraded]) -> Evidence:
    """Give the project as it would be."""
    texts = dict(evidence.texts)
    listed = set(evidence.files)
    for path, file in files.items():
        text = file.text
        if text is None and file.moved_from is not None:
            text = evidence.text(str(file.moved_from))
        if file.text is None and file.moved_from is None:
            texts.pop(path, None)
            listed.discard(path)
            continue
        listed.add(path)
        if text is not None:
            texts[path] = text
    folders = {parent for path in listed for parent in path.parents} | set(evidence.folders)
    return replace(evidence, files=frozenset(listed), folders=frozenset(folders), texts=texts)


def _again(found: Finding) -> Problem:
    return Problem(f"is still v1 afterwards ({found.rule})", str(found.path), found.line)
