"""`nself` on PATH: which commands are ours, and who gets the others.

Installing this never takes the project's own `nself` away: what is not ours goes, arguments and
exit code unchanged, to the next different `nself` on PATH.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SUBCOMMANDS = ("detect", "run", "rollback", "backups", "status", "generate", "graph", "doit")
MAINTENANCE = ("enable", "disable", "status")
_GUARD = "NSELF_MIGRATE_HANDED_ON"


def ours(program: str, arguments: Sequence[str]) -> list[str] | None:
    """Give the arguments of `nself migrate` where the command is ours, else None.

    `nself maintenance` is another command in the Go CLI: only three of its subcommands are ours.
    """
    if program != "nself":
        return list(arguments[1:] if arguments[:1] == ["migrate"] else arguments)
    rest = list(arguments[1:])
    command = next((a for a in rest if not a.startswith("-")), None)
    if list(arguments[:1]) == ["maintenance"]:
        return list(arguments) if command is None or command in MAINTENANCE else None
    if list(arguments[:1]) != ["migrate"]:
        return None
    return rest if command is None or command in SUBCOMMANDS else None


def hand_on(arguments: Sequence[str]) -> int:  # noqa: RET503 - execve does not return
    """Become the next `nself` on PATH; gives 2 where there is none."""
    following = next_nself(Path(sys.argv[0]))
    if following is None:
        shown = " ".join(["nself", *arguments[:2]]).strip()
        print(
            f"error: `{shown}` is not a command of nself-migrate, and no other `nself` is on PATH"
            f"\n\nhint: `nself migrate --help` lists what is here",
            file=sys.stderr,
        )
        return 2
    environment = {**os.environ, _GUARD: _handed_on(Path(sys.argv[0]))}
    os.execve(following, ["nself", *arguments], environment)


def _handed_on(program: Path) -> str:
    """Give the list of our installs that have passed the command on, this one included."""
    before = os.environ.get(_GUARD, "")
    return os.pathsep.join(x for x in (before, str(_real(program))) if x)


def next_nself(program: Path) -> Path | None:
    """Find the next `nself` on PATH that is no install of ours which has already had its turn."""
    return next(others(program, os.environ), None)


def others(program: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Give every other `nself` on PATH, in its order, but for installs that had their turn."""
    seen = {_real(program)} | {Path(p) for p in environ.get(_GUARD, "").split(os.pathsep) if p}
    for folder in environ.get("PATH", "").split(os.pathsep):
        candidate = Path(folder or ".") / "nself"
        # `isfile` and not `is_file`: a folder on PATH may be closed to us, as a shell passes it by.
        found = os.path.isfile(candidate) and os.access(candidate, os.X_OK)  # noqa: PTH113
        if found and _real(candidate) not in seen:
            yield candidate


def _real(path: Path) -> Path:
    import shutil

    found = path if path.exists() else Path(shutil.which(path.name) or path)
    return found.resolve()
