"""Which traces of v1 are recognised, and which look-alikes are not."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nself_tasks.artifacts import leftovers
from nself_tasks.artifacts.finding import Evidence


def evidence(
    *names: str, folders: tuple[str, ...] = (), texts: dict[str, str] | None = None
) -> Evidence:
    texts = texts or {}
    return Evidence(
        files=frozenset(map(PurePosixPath, (*names, *texts))),
        folders=frozenset(map(PurePosixPath, folders)),
        texts={PurePosixPath(name): text for name, text in texts.items()},
    )


@pytest.mark.parametrize(
    ("seen", "rule", "status"),
    [
        (evidence(texts={".env": "A=b\nNSELF_VERSION=0.9.8\n"}), "env-version", "migrate"),
        (evidence(texts={".env": "export NSELF_VERSION='v0.4'\n"}), "env-version", "migrate"),
        (evidence("nginx/nginx.conf"), "flat-nginx", "migrate"),
        (evidence("nginx/conf.d/hasura.conf"), "flat-nginx", "migrate"),
        (evidence(".nself/config"), "config-file", "migrate"),
        (evidence("nself.sh"), "bootstrap-script", "manual"),
        (evidence(texts={".nself/build-version": "0.9.8\n"}), "build-version", "migrate"),
    ],
)
def test_is_v1(seen: Evidence, rule: str, status: str) -> None:
    [finding] = leftovers.detect(seen)
    assert (finding.rule, finding.status) == (rule, status)


@pytest.mark.parametrize(
    "seen",
    [
        evidence(),
        evidence(texts={".env": "NSELF_VERSION=1.5.0\n"}),
        evidence(texts={".env": "NSELF_VERSION=10.9\n"}),
        evidence(texts={".env": "NSELF_VERSION=\n"}),
        evidence(texts={".env": "# NSELF_VERSION=0.9.8\n"}),
        evidence(texts={".env": "MY_NSELF_VERSION=0.9.8\n"}),
        evidence(texts={".env": "A='x\nNSELF_VERSION=0.9.8\n'\n"}),
        evidence(texts={".env.dev": "NSELF_VERSION=0.9.8\n"}),
        evidence("nginx/nginx.conf", folders=("nginx", "nginx/sites")),
        evidence(folders=("nginx",)),
        evidence(folders=(".nself/config",)),
        evidence("scripts/nself.sh"),
        evidence(texts={".nself/build-version": "1.3.0\n"}),
        evidence(texts={".nself/build-version": ""}),
        evidence(texts={".nself/build-version": "unknown"}),
    ],
)
def test_is_no_leftover(seen: Evidence) -> None:
    assert list(leftovers.detect(seen)) == []


def test_the_line_in_the_env_file_is_named() -> None:
    [finding] = leftovers.detect(evidence(texts={".env": "A=b\n\nNSELF_VERSION=0.9.8\n"}))
    assert finding.line == 3
