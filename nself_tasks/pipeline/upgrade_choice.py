"""Which kinds of artifact an upgrade takes: `--only` and `--skip`, unless they part what is one.

v2 reads the env files in another order, and the compose file, nginx and the env files name each
other's keys and paths: one of them in v2 beside another in v1 is a project that does not start, or
one that starts with other values.
"""

from __future__ import annotations

from collections.abc import Iterable

from nself_tasks.artifacts import registry
from nself_tasks.artifacts.finding import Finding
from nself_tasks.errors import UsageError

TOGETHER = frozenset({"compose", "env", "nginx"})
AFTERWARDS = frozenset({"leftovers"})
"""May be left for later, but not be done first: v1 still reads them."""


def chosen(findings: Iterable[Finding], only: Iterable[str], skip: Iterable[str]) -> set[str]:
    """Give the kinds to upgrade. Raises UsageError for an unknown one, and for a choice that parts
    what belongs together."""
    known = {kind.name for kind in registry.kinds()}
    wanted, left_out = set(only), set(skip)
    if unknown := (wanted | left_out) - known:
        raise UsageError(
            f"there is no kind `{sorted(unknown)[0]}`",
            hint="the kinds are " + ", ".join(sorted(known)),
        )
    kinds = (wanted or known) - left_out
    to_change = {finding.kind for finding in findings if finding.changes}
    core, later = to_change & TOGETHER, to_change & AFTERWARDS
    left = core - kinds
    if left and kinds & (core | later):
        raise _parted(sorted(left), sorted(kinds & (core | later)))
    return kinds


def _parted(left: list[str], taken: list[str]) -> UsageError:
    return UsageError(
        f"{', '.join(left)} would stay v1 while {', '.join(taken)}"
        f" become{'s' if len(taken) == 1 else ''} v2: they name each other's keys and paths, and"
        " v2 reads the env files in another order",
        hint="compose, env and nginx are upgraded together; `plugin` can be left out or done"
        " alone, `leftovers` can be left for later",
        database="unchanged",
    )
