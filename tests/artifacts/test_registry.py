"""Every kind is found by itself, and together they say which layout a project is in."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.finding import Finding, Status


def finding(kind: str, status: Status, *, decides: bool = True) -> Finding:
    return Finding("rule", kind, PurePosixPath("x"), None, status, "", "", decides_era=decides)


def test_every_module_with_a_kind_is_registered() -> None:
    names = [kind.name for kind in registry.kinds()]
    assert {"compose", "leftovers"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "findings",
    [
        [finding("compose", "migrate")],
        [finding("leftovers", "migrate")],
        [finding("compose", "keep", decides=False), finding("leftovers", "migrate")],
    ],
)
def test_is_v1(findings: list[Finding]) -> None:
    assert registry.era(findings) == "v1"


@pytest.mark.parametrize(
    "findings",
    [
        [],
        [finding("compose", "ok")],
        [finding("compose", "keep", decides=False)],
        [finding("leftovers", "migrate", decides=False)],
        [finding("compose", "ok"), finding("leftovers", "migrate")],
    ],
)
def test_is_v2(findings: list[Finding]) -> None:
    assert registry.era(findings) == "v2"
