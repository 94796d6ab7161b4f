"""What `docker-compose.yml` will be after the upgrade: nginx's files and the leftovers go by it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath

from nself_tasks.artifacts import compose
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.artifacts.upgrade import upgraded


def outcome(evidence: Evidence) -> tuple[tuple[Finding, ...], str | None]:
    """Give what is found about the compose file, and its text afterwards."""
    return _outcome(tuple(evidence.texts.items()))


# Several kinds ask, and reading a compose file takes longer than all the rest.
@lru_cache(maxsize=1)
def _outcome(
    texts: tuple[tuple[PurePosixPath, str], ...],
) -> tuple[tuple[Finding, ...], str | None]:
    known: Mapping[PurePosixPath, str] = dict(texts)
    evidence = Evidence(frozenset(known), frozenset(), known)
    found = tuple(f for f in compose.detect(evidence) if f.path == compose.PATH)
    after = upgraded(evidence, found).get(compose.PATH)
    return found, after.text if after else known.get(compose.PATH)


def is_ours(found: tuple[Finding, ...]) -> bool:
    """Tell whether the compose file is ɳSelf's, of whatever version."""
    return bool(found) and found[0].status != "keep" and found[0].rule != "compose-unreadable"


def stays_v1(found: tuple[Finding, ...]) -> bool:
    """Tell whether it is a v1 file that a person has to deal with."""
    return bool(found) and found[0].status == "manual"
