"""Shows `nself migrate` at work on a copy of the lending library, an ɳSelf v1 project.

    python examples/try_it.py [FOLDER]     FOLDER is made; without it a temporary folder is

What you see is what the commands print, on a real Postgres; of a long listing the middle is left
out. This program only copies the project, compares its files, writes the migration with the
mistake, mends it, and stops where an exit code is not the one that it announces.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parent / "lending-library"
OURS = frozenset({"backup", "migrate", "postgres"})
"""What the commands keep for themselves in a project's `.nself/`."""
NEW = {
    "20260316180000_number_shelves.sql": "ALTER TABLE copies ADD COLUMN shelf integer;\n",
    "20260316180000_number_shelves.down.sql": "ALTER TABLE copies DROP COLUMN shelf;\n",
    "20260323110000_add_reservations.down.sql": "DROP TABLE reservations;\n",
}
MISTAKEN = "20260323110000_add_reservations.sql"
RESERVATIONS = """\
CREATE TABLE reservations (
    title_id bigint NOT NULL REFERENCES titles (id),
    member_id bigint NOT NULL REFERENCES {table} (id),
    made timestamptz NOT NULL DEFAULT now()
);
"""
OTHERS = ("DATABASE_URL", "ENV", "TARGET_ENV", "NSELF_ENV", "NSELF_MIGRATIONS_DIR")
"""Variables that would choose another database or project than the copy's own."""
LONGEST, SHOWN = 22, 9
"""Lines of an output that are shown whole; lines shown of each end of a longer one."""


def main(arguments: Sequence[str]) -> int:
    """Walk through it; gives 0 when the library is v2 and migrated at the end."""
    if find_spec("nself_tasks") is None:
        sys.exit("nself-migrate is not installed for this Python: see `Try it` in README.md")
    root = _copy(Path(arguments[0]).absolute() if arguments else None)
    v1 = _files(root)
    _say(f"A copy of the lending library is in {root}: ɳSelf v1, six migrations, no database yet.")
    _upgrade(root)
    _say("Put the files back. The database stays as it is: its migrations are undone one by one.")
    _nself(root, "rollback", "--files")
    if _files(root) != v1:
        sys.exit("these are NOT the files of before")
    print(f"\nCompared: all {len(v1)} files are what they were, byte for byte, mode for mode.")
    _failing_migration(root)
    return _end(root)


def _upgrade(root: Path) -> None:
    _nself(root, "detect")
    _say("The plan: every step, why, and after what. Nothing is changed, not even a folder made.")
    _nself(root, "run", "--dry-run")
    _say("Do it. The first run starts a Postgres in the project's .nself/postgres.")
    _nself(root, "run")
    _say("What CI asks: is anything v1 left? And another run has nothing to do.")
    _nself(root, "detect", "--strict")
    _nself(root, "run")


def _failing_migration(root: Path) -> None:
    migrations = root / "backend" / "migrations"
    _say(f"Two new migrations. There is a mistake in {MISTAKEN}: no table is called `member`.")
    for name, sql in {**NEW, MISTAKEN: RESERVATIONS.format(table="member")}.items():
        (migrations / name).write_text(sql, encoding="utf-8")
    _nself(root, "run", exit_code=1)
    _say("Mended: `members`. The next run starts at the migration that failed; then, the files.")
    (migrations / MISTAKEN).write_text(RESERVATIONS.format(table="members"), encoding="utf-8")
    _nself(root, "run")
    _say("Undo the last migration, and apply it again.")
    _nself(root, "rollback")
    _nself(root, "run")


def _end(root: Path) -> int:
    """Ask once more what files and database say, and say it."""
    found = _asked(root, "detect", "--strict")
    states = [m["state"] for m in _asked(root, "status")["migrations"]]
    applied = states.count("applied")
    if found["v1"] or not applied or applied != len(states):
        print(
            f"NOT done: {found['v1']} files are v1, {applied} of {len(states)} migrations applied"
        )
        return 1
    print(f"\nThe library is v2, and {applied} of {len(states)} migrations are applied on the")
    print("embedded Postgres server in its .nself/postgres. Look around, and delete it when done:")
    print(f"  cd {root}")
    return 0


def _copy(root: Path | None) -> Path:
    if root is None:
        # as root the server runs as another user, who has to come in
        parent = Path(tempfile.mkdtemp(prefix="nself-"))
        parent.chmod(0o755)
        root = parent / "lending-library"
    elif root.exists():
        sys.exit(f"{root} is there already: name a folder that is not")
    shutil.copytree(LIBRARY, root, ignore=lambda path, _: _ours(Path(path)))
    return root


def _ours(folder: Path) -> frozenset[str]:
    return OURS if folder.name == ".nself" else frozenset()


def _files(root: Path) -> dict[str, tuple[int, bytes]]:
    """Give every file of the project with its permissions and its bytes."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _ours(Path(folder)))
        for path in (Path(folder) / name for name in names):
            shown = str(path.relative_to(root))
            found[shown] = (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
    return found


def _nself(root: Path, *arguments: str, exit_code: int = 0) -> None:
    """Show a command, run it, and stop unless it ends with the exit code announced."""
    print("\n$ nself migrate " + " ".join(arguments), flush=True)
    done = _run(root, *arguments)
    print("\n".join(_shortened(done.stdout.splitlines())), flush=True)
    if done.returncode or "--strict" in arguments:
        print(f"(exit code {done.returncode})", flush=True)
    if done.returncode != exit_code:
        sys.exit(f"this was to end with exit code {exit_code}, not with {done.returncode}")


def _shortened(lines: list[str]) -> list[str]:
    """Leave out the middle of a long output; a failure is shown whole."""
    if len(lines) <= LONGEST:
        return lines
    failures = (number for number, line in enumerate(lines) if line.startswith(("failed", "error")))
    end = min(next(failures, len(lines)), len(lines) - SHOWN)
    left_out = f"  … {end - SHOWN} more lines …"
    return [*lines[:SHOWN], left_out, *lines[end:]] if end > SHOWN else lines


def _asked(root: Path, *arguments: str) -> dict[str, Any]:
    """Give what a command says with `--json`."""
    answer: dict[str, Any] = json.loads(_run(root, *arguments, "--json").stdout)
    return answer


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
    return subprocess.run(
        [sys.executable, "-m", "nself_tasks", "migrate", *arguments],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # one stream, so that notes and results stay in their order
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )


def _say(sentence: str) -> None:
    print(f"\n# {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
