"""Lets the Go `nself` write the v2 files, where there is one and it loses nothing of the project.

It builds in a copy, and what comes out is held against what the v1 project runs. Otherwise our own
rewriters do the work, and the reason is said.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from nself_tasks import regeneration_checks as checks
from nself_tasks.builder import BUILD_SECONDS, VERSION_SECONDS, Builder, Ended, call, find
from nself_tasks.discovery import Project
from nself_tasks.errors import NselfError
from nself_tasks.evidence import artifact_evidence
from nself_tasks.project_copy import copy_project, private_folder
from nself_tasks.secrets import mask

BUILT_IN = "built in"
COMPOSE = "docker-compose.yml"
_LONGEST = 200
"""Characters of another program's words that are worth showing."""


@dataclass(frozen=True, slots=True)
class Regenerated:
    """What a Go `nself` made of the project, or why our own rewriters do the work."""

    builder: str
    """What did the work, for people: `nself 1.4.2` or `built in`."""
    texts: Mapping[str, bytes | None] = field(default_factory=dict)
    """The new bytes of the compose file and nginx's that the build wrote, by path relative to the
    project root, None for one that it deleted; they win over our own."""
    refused: str | None = None
    """Why the result of a Go `nself` was not taken, in one sentence without any secret."""


def regenerate(
    project: Project,
    texts: Mapping[str, bytes | None],
    *,
    builder: Literal["auto", "nself", "builtin"],
    environ: Mapping[str, str],
    build_seconds: float = BUILD_SECONDS,
    version_seconds: float = VERSION_SECONDS,
) -> Regenerated:
    """Give what `nself build` makes of the project once `texts`, our own upgrade, is laid over it.

    The project itself is never written. A shell script on PATH is the bash CLI and never called;
    a Go CLI below 1.0 does not build (see `builder`). Nothing is built where `texts` has no
    compose file: then there is no v1 file to regenerate. With `nself`, NselfError where there is
    no usable one, or where its result would be refused.
    """
    if builder == "builtin" or texts.get(COMPOSE) is None:
        return Regenerated(BUILT_IN)
    found, others = find(environ, seconds=version_seconds)
    if found is None and builder == "auto":
        return Regenerated(BUILT_IN)
    if found is None:
        raise NselfError(
            "there is no `nself` of version 1.0 or later on PATH to build with",
            detail="\n".join(others) or None,
            hint="install it, or leave the work to our own rewriters with `--builder builtin`;"
            " nothing was changed",
            database="unchanged",
        )
    result = _built(project, texts, found, environ, build_seconds)
    if not isinstance(result, str):
        return Regenerated(str(found), result)
    if builder == "nself":
        raise NselfError(
            f"what {found} (`{found.program}`) makes of this project is not taken: {result}",
            hint="`--builder builtin` upgrades it without that; nothing was changed",
            database="unchanged",
        )
    return Regenerated(BUILT_IN, refused=result)


def _built(
    project: Project,
    texts: Mapping[str, bytes | None],
    builder: Builder,
    environ: Mapping[str, str],
    seconds: float,
) -> dict[str, bytes | None] | str:
    """Build in a copy and give the changed files, or why they are not taken."""
    if project.scope != "project":
        return "a project in the home folder is not copied for a build"
    before = artifact_evidence(project)
    with private_folder(project.repo_root) as folder:
        try:
            root = copy_project(project, folder / "project")
            _lay_over(root, texts)
        except ValueError as error:
            return str(error)
        except OSError as error:
            return f"the project could not be copied for it: {error.strerror}"
        copy = replace(project, root=root)
        upgraded, files, links = artifact_evidence(copy), _files(root), _links(root)
        # Whether the build writes the file at all: what is there is our own.
        os.utime(root / COMPOSE, (0, 0))
        ended = call([str(builder.program), "build", "--force"], root, environ, seconds)
        built, made = artifact_evidence(copy), _files(root)
        why = _failed(ended, seconds)
        if why is None and (COMPOSE not in made or (root / COMPOSE).stat().st_mtime == 0):
            why = f"it wrote no `{COMPOSE}`"
        if why is None and _links(root) != links:
            why = "it makes symlinks below `nginx/`"
    why = why or next(checks.objections(before, upgraded, built), None)
    why = why or next(
        checks.spoilt(checks.by_hand(before, files.keys() - texts), files, made), None
    )
    if why is not None:
        return mask(why, checks.secrets(before, upgraded, built))
    changed = files.keys() | made.keys()
    return {path: made.get(path) for path in changed if files.get(path) != made.get(path)}


def _lay_over(root: Path, texts: Mapping[str, bytes | None]) -> None:
    for name, data in texts.items():
        path = root / name
        if not Path(os.path.realpath(path)).is_relative_to(root):
            raise ValueError(f"`{name}` leads out of the project")
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _files(root: Path) -> dict[str, bytes]:
    """Give the artifacts that a build writes: the compose file and what lies below `nginx/`."""
    paths = [root / COMPOSE, *sorted((root / "nginx").rglob("*"))]
    plain = (path for path in paths if path.is_file() and not path.is_symlink())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in plain}


def _links(root: Path) -> dict[Path, str]:
    paths = [root / COMPOSE, root / "nginx", *(root / "nginx").rglob("*")]
    return {path: os.readlink(path) for path in paths if path.is_symlink()}  # noqa: PTH115


def _failed(ended: Ended, seconds: float) -> str | None:
    if ended.code == 0:
        return None
    if ended.code is None:
        return f"it was not done after {seconds:g} seconds"
    said = "".join(c if c.isprintable() else " " for c in ended.last_line)
    # Cut at a word: a secret cut in two would not be known as one.
    short = said if len(said) <= _LONGEST else "its last line is too long to show"
    how = f"exit code {ended.code}"
    if ended.code < 0:
        how = signal.Signals(-ended.code).name
    return f"`nself build --force` ended with {how}" + (f": {short}" if short.strip() else "")
