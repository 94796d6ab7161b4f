"""Opens the new files in the operator's editor."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from nself_tasks.errors import NselfError

if TYPE_CHECKING:
    from nself_tasks.model import Report
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings


def edit(settings: Settings, report: Report, terminal: Terminal) -> None:
    """Open the files that a report has created; a missing editor is a warning.

    What VISUAL or EDITOR of the process says is run, and nothing that the project names.
    """
    command = settings.environ.get("VISUAL") or settings.environ.get("EDITOR") or ""
    words = shlex.split(command)
    if not words:
        terminal.notice("warning", "`--edit`: neither VISUAL nor EDITOR says which editor")
        return
    paths = [settings.project.repo_root / name for name in report.data["created"]]
    before = [path.read_bytes() for path in paths]
    try:
        # Standard output is for the result: an editor draws on the terminal behind stderr.
        out = None if sys.stdout.isatty() else sys.stderr
        ended = subprocess.run([*words, *map(str, paths)], stdout=out, check=False)
    except OSError as error:
        raise NselfError(
            f"`{words[0]}` cannot be started: {error.strerror}",
            hint=f"the files are there: {', '.join(report.data['created'])}",
        ) from error
    if ended.returncode != 0:
        terminal.notice("warning", f"the editor ended with {ended.returncode}")
    draft = report.data.get("draft")
    if draft and draft["proven"] and [path.read_bytes() for path in paths] != before:
        terminal.notice("warning", "what you have edited is not what was proven")
