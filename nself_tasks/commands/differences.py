"""What an upgrade makes of each file, as a unified diff without the secrets in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from nself_tasks.installation import mode_of, real_path
from nself_tasks.intent import Entry, staged_path
from nself_tasks.rewriting import dotenv
from nself_tasks.secrets import is_secret_key, mask

PRIVATE = (".env.secrets", ".env.ai")

if TYPE_CHECKING:
    from nself_tasks.discovery import Project
    from nself_tasks.pipeline.upgrade_plan import UpgradePlan


def changed_files(project: Project, plan: UpgradePlan, *, diff: bool) -> list[dict[str, Any]]:
    """Give each file that the upgrade changes, creates or moves away; with `diff`, how.

    The new side of a difference is what `run` writes, secrets masked on both sides.
    """
    sides = {entry.path: _sides(project, plan, entry) for entry in plan.entries}
    env_texts = [
        (path, text) for path, pair in sides.items() if _is_env(path) for text in pair if text
    ]
    secrets = tuple(_secrets(env_texts)) if diff else ()
    found = []
    for entry in plan.entries:
        was = mode_of(real_path(project, entry.path))
        item: dict[str, Any] = {
            "path": str(project.shown(project.root / entry.path)),
            "change": _change(entry),
            "mode": f"{entry.mode:o}" if entry.after and was != entry.mode else None,
        }
        if diff:
            item["diff"] = _diff(item["path"], entry, *sides[entry.path], secrets)
        found.append(item)
    return found


def _change(entry: Entry) -> str:
    if entry.after is None:
        return "moved into the backup"
    if entry.before is None:
        return "created"
    return "changed" if entry.before != entry.after else "permissions"


def _sides(project: Project, plan: UpgradePlan, entry: Entry) -> tuple[str | None, str | None]:
    """Give a file's text now and afterwards; None where there is none."""
    path = real_path(project, entry.path)
    before = path.read_bytes() if path.is_file() else None
    if plan.unfinished is None:
        after = plan.texts[entry.path]
    else:
        staged = staged_path(project, entry.path)
        after = staged.read_bytes() if staged.is_file() else before if entry.after else None
    return _text(before), _text(after)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")


def _is_env(path: str) -> bool:
    return PurePosixPath(path).name.startswith(".env")


def _secrets(texts: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Give the secret values of the env files, and each line of those that have several.

    In a file that is made for secrets every value is one, whatever its name.
    """
    for path, text in texts:
        private = PurePosixPath(path).name in PRIVATE
        for assignment in dotenv.parse(text):
            if (private or is_secret_key(assignment.key)) and assignment.value:
                yield assignment.value
                yield from assignment.value.splitlines()


def _diff(
    shown: str, entry: Entry, before: str | None, after: str | None, secrets: tuple[str, ...]
) -> str:
    if entry.after is None:
        return ""
    lines = difflib.unified_diff(
        # What is hidden must not be told by a line that differs: both sides are masked first.
        mask(before or "", secrets).splitlines(),
        mask(after or "", secrets).splitlines(),
        shown if before is not None else "/dev/null",
        shown,
        lineterm="",
        n=2,
    )
    return "\n".join(lines)
