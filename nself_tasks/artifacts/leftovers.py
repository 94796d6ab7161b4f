"""Small traces that ɳSelf v1 leaves: rules 2 to 5 of the real tool, and the build's version.

Rule 1 is the compose file's (`compose.py`). Real projects show only `.nself/build-version`.
The others are what the documentation promises to find.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from nself_tasks.artifacts.finding import Evidence, Finding, Kind, Status
from nself_tasks.rewriting import dotenv

_ZERO = re.compile(r"v?0\.\d")
"""A version of the bash CLI; the Go CLI writes the same file with 1.x in it."""


def detect(evidence: Evidence) -> Iterator[Finding]:
    """Give the leftovers in the evidence."""
    yield from _env_version(evidence)
    yield from _flat_nginx(evidence)
    if PurePosixPath(".nself/config") in evidence.files:
        yield _finding(
            "config-file",
            ".nself/config",
            "v1 config file (v2 has a folder there)",
            "back it up, `nself build` makes the folder",
            decides_era=True,
        )
    if PurePosixPath("nself.sh") in evidence.files:
        yield _finding(
            "bootstrap-script",
            "nself.sh",
            "v1 bootstrap script",
            "delete it when nothing calls it any more",
            status="manual",
        )
    yield from _build_version(evidence)


def _env_version(evidence: Evidence) -> Iterator[Finding]:
    for assignment in dotenv.parse(evidence.text(".env") or ""):
        if assignment.key == "NSELF_VERSION" and _ZERO.match(assignment.value or ""):
            yield _finding(
                "env-version",
                ".env",
                f"v1 environment file (NSELF_VERSION={(assignment.value or '')[:16]})",
                "back it up, remove the line",
                line=assignment.line,
                decides_era=True,
            )


def _flat_nginx(evidence: Evidence) -> Iterator[Finding]:
    if PurePosixPath("nginx/sites") in evidence.folders:
        return
    if any(path.parts[0] == "nginx" for path in evidence.files):
        yield _finding(
            "flat-nginx",
            "nginx",
            "v1 nginx layout (no `nginx/sites/`)",
            "regenerate with `nself build`; files written by hand are kept",
        )


def _build_version(evidence: Evidence) -> Iterator[Finding]:
    version = (evidence.text(".nself/build-version") or "").strip()
    if _ZERO.match(version):
        yield _finding(
            "build-version",
            ".nself/build-version",
            f"last built by ɳSelf {version[:16]}",
            "regenerate with `nself build`",
            line=1,
            decides_era=True,
        )


def _finding(
    rule: str,
    path: str,
    message: str,
    action: str,
    *,
    line: int | None = None,
    status: Status = "migrate",
    decides_era: bool = False,
) -> Finding:
    where = PurePosixPath(path)
    return Finding(rule, "leftovers", where, line, status, message, action, decides_era)


KIND = Kind(
    name="leftovers",
    lists=(
        ".nself/config",
        "nself.sh",
        "nginx/sites",
        "nginx/*.conf",
        "nginx/*.conf.template",
        "nginx/conf.d/*.conf",
    ),
    reads=(".env", ".nself/build-version"),
    detect=detect,
)
