"""`plugin.json` and `manifest.json` of plugins: v1 manifests become v2 ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from nself_tasks.artifacts.finding import Change, Evidence, Finding, Kind, Status
from nself_tasks.artifacts.plugin_json import named, read, write
from nself_tasks.artifacts.plugin_mapping import mapped
from nself_tasks.errors import Problem
from nself_tasks.rewriting.edits import Edit

CONVERTED, UNMAPPED = "plugin-v1", "plugin-unmapped"
"""The rules of the two sorts of v1 manifest: what v2 has a place for, and what it has not."""

NAMES = ("plugin.json", "manifest.json")
FOLDERS = ("plugins", ".nself/plugins")
_SELF = "."
"""The folder that is looked at itself, where it is a folder of plugins."""
_OURS = frozenset({"minNselfVersion", "requires_license", "requiredEntitlements", "multiApp"})
"""Keys that only ɳSelf has: a `manifest.json` may be a browser extension's."""


def detect(evidence: Evidence, folders: tuple[str, ...] = FOLDERS) -> Iterator[Finding]:
    """Give one finding for each plugin manifest in these folders."""
    for path in sorted(evidence.files | evidence.texts.keys()):
        if path.name in NAMES and str(path.parent.parent) in folders and path.parent.name:
            text = evidence.texts.get(path)
            if text is None:
                why = evidence.unread.get(path, "no readable text of at most 1 MB in the project")
                yield _manual(path, why)
            else:
                yield examined(path, text)


def _alone(evidence: Evidence) -> Iterator[Finding]:
    """Look at a folder of plugins: there is nothing but them to say which layout it is in."""
    for finding in detect(evidence, (_SELF,)):
        yield replace(finding, decides_era=True)


def examined(path: PurePosixPath, text: str) -> Finding:
    """Say what one manifest is, and what becomes of it."""
    found = read(text)
    if isinstance(found, Problem):
        return _manual(path, found.message, found.line)
    if not isinstance(found, dict):
        return _manual(path, "is no JSON object")
    version = found.get("manifest_version")
    if version == 2 and {"maturity", "service"} & found.keys():
        return _finding("plugin-v2", path, "ok", "already v2 format", "none")
    if not _OURS & found.keys():
        return _finding("plugin-foreign", path, "keep", "not a manifest of ɳSelf", "left alone")
    if isinstance(version, int) and version > 1:
        return _later(path, version)
    if version not in (None, 1) or isinstance(version, (bool, float)):
        return _manual(path, f"manifest_version {named(version)} is neither 1 nor 2")
    return _converted(path, text, found)


def _converted(path: PurePosixPath, text: str, v1: dict[str, Any]) -> Finding:
    made = mapped(v1)
    if made.problems:
        return _manual(path, "; ".join(made.problems), rule=UNMAPPED)
    start = 1 if text.startswith("\ufeff") else 0
    edit = Edit(start, len(text), write(made.manifest, like=text))
    change = Change(path, (edit,))
    without = f", without {named(made.left_out)}" if made.left_out else ""
    return _finding(
        CONVERTED,
        path,
        "migrate",
        f"v1 manifest of `{v1['name']}` {v1['version']}",
        f"write it as `manifest_version` 2{without}",
        changes=(change,),
    )


def _manual(
    path: PurePosixPath, why: str, line: int | None = None, *, rule: str = "plugin-manual"
) -> Finding:
    action = "correct it, or convert it by hand; until then it is left as it is"
    return _finding(rule, path, "manual", f"v1 manifest: {why}", action, line=line)


def _later(path: PurePosixPath, version: int) -> Finding:
    """Report a manifest that says it is v2 or later and is not like one."""
    lacks = "with neither maturity nor service" if version == 2 else "is neither 1 nor 2"
    finding = _finding(
        "plugin-later",
        path,
        "manual",
        f"manifest_version {named(version)} {lacks}",
        "look at it by hand; it is left as it is",
    )
    return replace(finding, also_in_v2=True)


def _finding(
    rule: str,
    path: PurePosixPath,
    status: Status,
    message: str,
    action: str,
    *,
    line: int | None = None,
    changes: tuple[Change, ...] = (),
) -> Finding:
    return Finding(rule, "plugin", path, line, status, message, action, changes=changes)


KIND = Kind(
    name="plugin",
    lists=(),
    reads=tuple(f"{folder}/*/{name}" for folder in FOLDERS for name in NAMES),
    detect=detect,
)
AT_HOME = replace(
    KIND,
    reads=tuple(f"{FOLDERS[0]}/*/{name}" for name in NAMES),
    detect=partial(detect, folders=FOLDERS[:1]),
)
"""For a project that is the home folder: its `.nself/plugins/` belongs to every project."""
ALONE = replace(KIND, reads=tuple(f"[!.]*/{name}" for name in NAMES), detect=_alone)
"""For a folder of plugins; folders that are hidden hold no plugin, one is ours."""
