"""nginx's configuration: what v1 generated becomes v2, what a person wrote stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from nself_tasks.artifacts import compose
from nself_tasks.artifacts.compose_signals import V1_HEADER
from nself_tasks.artifacts.compose_step import Step
from nself_tasks.artifacts.finding import Change, Evidence, Finding, Kind, Status
from nself_tasks.artifacts.nginx_certificates import certificate_steps, moved_certificates
from nself_tasks.artifacts.nginx_files import (
    DEFAULT,
    GLOBS,
    MAIN,
    ZONES,
    ConfFile,
    held_by_hand,
    title_of,
)
from nself_tasks.artifacts.nginx_main import main_steps
from nself_tasks.artifacts.nginx_names import header_step
from nself_tasks.artifacts.nginx_setting import Setting, setting
from nself_tasks.artifacts.nginx_sites import left_static, site_steps
from nself_tasks.artifacts.nginx_zones import Zones, zone_file_steps, zones
from nself_tasks.rewriting.edits import Edit, apply

_FOLDER = PurePosixPath("nginx")
_SITES = _FOLDER / "sites"
_RENAMED = {"mailhog": "mailpit", "mail": "mailpit"}


def detect(evidence: Evidence) -> Iterator[Finding]:
    """Say what each file of `nginx/` is, and what would change in it."""
    if not any(path.parts[0] == "nginx" for path in evidence.files):
        return
    around = setting(evidence)
    if around is None:
        return
    held = held_by_hand(evidence)
    zoned = zones(around)
    v1 = [file for file in around.files.values() if file.origin == "v1"]
    targets = {} if around.waits else dict(_targets(around))
    if not any(path.is_relative_to(_SITES) for path in (*evidence.files, *evidence.folders)):
        yield _flat(len(targets))
    if around.waits and v1:
        yield _finding(
            "nginx-waits", _FOLDER, None, "manual", f"{len(v1)} files that v1 generated",
            "upgraded together with `docker-compose.yml`, once that can be: it mounts them",
        )  # fmt: skip
    for path, file in around.files.items():
        if file.problem:
            message = f"cannot be read: {file.problem.message}"
            action = "repair it, then run this again"
            yield _finding("nginx-unreadable", path, file.problem.line, "manual", message, action)
        elif file.origin == "hand":
            yield _by_hand(path, uses_old_path=path in held)
        elif not (around.waits and file.origin == "v1"):
            yield from _generated(file, around, zoned, targets.get(path))
    for old, new in () if around.waits else moved_certificates(around):
        changes = (Change(new, moved_from=old), Change(old, moved_away=True))
        yield _finding(
            "nginx-certificate-file", old, None, "migrate", "certificate where v1 had it",
            f"goes to `{new}`", changes,
        )  # fmt: skip


def _flat(count: int) -> Finding:
    """Say that there is no `nginx/sites/`; what no generator wrote is no reason to move it."""
    message = "v1 nginx layout (no `nginx/sites/`)"
    if count:
        action = f"{count} generated files go to `nginx/sites/`, the others stay"
        return _finding("flat-nginx", _FOLDER, None, "migrate", message, action)
    return _finding("flat-nginx", _FOLDER, None, "keep", message, "nothing in it has to move")


def _generated(
    file: ConfFile, around: Setting, zoned: Zones, target: PurePosixPath | None
) -> Iterator[Finding]:
    steps = list(_steps(file, around, zoned))
    path = file.path
    if target:
        text = apply(file.text, (edit for step in steps for edit in step.edits))
        new = Change(target, (Edit(0, 0, text),), moved_from=path)
        yield _finding(
            "nginx-layout", path, None, "migrate", f"v1 site in `{path.parent}/`",
            f"goes to `{target}`", (new, Change(path, moved_away=True)),
        )  # fmt: skip
    for step in steps:
        changes = () if target else (Change(path, step.edits),)
        if step.rule == "nginx-zones" and path == MAIN and zoned.created:
            changes = (*changes, Change(ZONES, (Edit(0, 0, zoned.created),)))
        yield _finding(
            step.rule, path, step.line, "migrate", step.message, step.action, changes
        )  # fmt: skip
    static = [] if path in (MAIN, ZONES) else list(left_static(file, around))
    for directive in static:
        message = f"`proxy_pass {directive.args[0].value}` keeps the address that it found at start"
        action = "use a variable there; it cannot be changed without changing what it does"
        yield _finding("nginx-static", path, directive.line, "manual", message, action)
    if not steps and not static and not target:
        yield _finding("nginx-v2", path, 1, "ok", "already v2 format", "none")


def _steps(file: ConfFile, around: Setting, zoned: Zones) -> Iterator[Step]:
    others = list(_inner_steps(file, around, zoned))
    if file.origin == "v1" and not V1_HEADER.match(title_of(file.text)):
        is_site = file.path not in (MAIN, ZONES, DEFAULT)
        yield header_step(file, others, names_service=is_site)
    yield from others


def _inner_steps(file: ConfFile, around: Setting, zoned: Zones) -> Iterator[Step]:
    if file.path == ZONES:
        yield from zone_file_steps(file, around)
        return
    if file.path == MAIN:
        yield from main_steps(file, around, zoned)
    else:
        yield from site_steps(file, around)
    yield from certificate_steps(file, around)


def _targets(around: Setting) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Give the generated files that do not lie in `sites/`, and where they go."""
    taken = set(around.known) | set(around.files)
    for path, file in around.files.items():
        flat = path.parent in (_FOLDER, _FOLDER / "conf.d")
        if file.origin == "v1" and flat and path not in (MAIN, DEFAULT) and around.has_sites:
            names = (_RENAMED.get(path.stem, path.stem), path.stem)
            free = [place for name in names if (place := _SITES / f"{name}.conf") not in taken]
            if free:
                taken.add(free[0])
                yield path, free[0]


def _by_hand(path: PurePosixPath, *, uses_old_path: bool) -> Finding:
    action = "left alone"
    if uses_old_path:
        action += "; because of its certificate's path these stay mounted where v1 had them"
    elif path.parent == _SITES:
        action += "; `nself build` would delete it from `sites/`, `nginx/conf.d/` is for your own"
    return _finding("nginx-by-hand", path, None, "keep", "written by hand", action)


def _finding(
    rule: str,
    path: PurePosixPath,
    line: int | None,
    status: Status,
    message: str,
    action: str,
    changes: tuple[Change, ...] = (),
) -> Finding:
    return Finding(rule, "nginx", path, line, status, message, action, changes=changes)


KIND = Kind(
    name="nginx",
    lists=(
        "nginx/sites",
        "nginx/ssl/*",
        "nginx/ssl/*/*",
        "ssl/certificates/*",
        ".nself/build-version",
    ),
    reads=(*GLOBS, *compose.KIND.reads),
    detect=detect,
)
