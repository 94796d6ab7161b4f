"""Shows `nself migrate` at work on a copy of the bookshop: the real commands, a real Postgres.

    python examples/try_it.py [FOLDER]     FOLDER is made; without it a temporary folder is

What you see is what the commands print; this program only copies the project, writes the migration
with the mistake, mends it, and stops where an exit code is not the one that it announces.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

BOOKSHOP = Path(__file__).resolve().parent / "bookshop"
GOOD = {
    "20260316180000_rate_books.sql": "ALTER TABLE books ADD COLUMN rating numeric(2, 1);\n",
    "20260316180000_rate_books.down.sql": "ALTER TABLE books DROP COLUMN rating;\n",
    "20260323110000_add_reviews.down.sql": "DROP TABLE reviews;\n",
}
MISTAKEN = "20260323110000_add_reviews.sql"
REVIEWS = """\
CREATE TABLE reviews (
    book_id bigint NOT NULL REFERENCES {table} (id) ON DELETE CASCADE,
    stars integer NOT NULL CHECK (stars BETWEEN 1 AND 5),
    body text NOT NULL DEFAULT ''
);
"""
OTHERS = ("DATABASE_URL", "ENV", "TARGET_ENV", "NSELF_ENV", "NSELF_MIGRATIONS_DIR")
"""Variables that would choose another database or project than the copy's own."""


def main(arguments: Sequence[str]) -> int:
    """Walk through it; gives 0 when the bookshop is migrated at the end."""
    if find_spec("nself_tasks") is None:
        sys.exit("nself-migrate is not installed for this Python: see `Try it` in README.md")
    root = _copy(Path(arguments[0]).absolute() if arguments else None)
    migrations = root / "backend" / "migrations"
    _say(f"A copy of the bookshop is in {root}, with ten migrations and no database yet.")
    _nself(root, "detect")
    _say("The plan: every step, why, and after what. Nothing is changed, not even a folder made.")
    _nself(root, "run", "--dry-run")
    _say("Apply them. The first run starts a Postgres in the project's .nself/postgres.")
    _nself(root, "run")
    _say(f"Two new migrations. There is a mistake in {MISTAKEN}: no table is called `book`.")
    for name, sql in {**GOOD, MISTAKEN: REVIEWS.format(table="book")}.items():
        (migrations / name).write_text(sql, encoding="utf-8")
    _nself(root, "run", exit_code=1)
    _say("The mistake is mended: `books`. The next run starts at the migration that failed.")
    (migrations / MISTAKEN).write_text(REVIEWS.format(table="books"), encoding="utf-8")
    _nself(root, "run")
    _say("Undo the last two, and apply them again.")
    _nself(root, "rollback", "--steps", "2")
    _nself(root, "run")
    _nself(root, "status", "--strict")
    return _end(root)


def _end(root: Path) -> int:
    """Ask once more what the database says, and say it."""
    told = _run(root, "status", "--json", stdout=subprocess.PIPE)
    states = [migration["state"] for migration in json.loads(told.stdout)["migrations"]]
    applied = states.count("applied")
    if not applied or applied != len(states):
        print(f"the bookshop is NOT migrated: {applied} of {len(states)} applied", file=sys.stderr)
        return 1
    print(f"\nThe bookshop is migrated: {applied} of {len(states)} migrations are applied on the")
    print("embedded Postgres server in its .nself/postgres. Look around, and delete it when done:")
    print(f"  cd {root}")
    return 0


def _copy(root: Path | None) -> Path:
    if root is None:
        # as root the server runs as another user, who has to come in
        parent = Path(tempfile.mkdtemp(prefix="nself-"))
        parent.chmod(0o755)
        root = parent / "bookshop"
    elif root.exists():
        sys.exit(f"{root} is there already: name a folder that is not")
    shutil.copytree(BOOKSHOP, root, ignore=shutil.ignore_patterns(".nself"))
    return root


def _nself(root: Path, *arguments: str, exit_code: int = 0) -> None:
    """Show a command, run it, and stop unless it ends with the exit code announced."""
    print("\n$ nself migrate " + " ".join(arguments), flush=True)
    ended = _run(root, *arguments).returncode
    if ended:
        print(f"(exit code {ended})", flush=True)
    if ended != exit_code:
        sys.exit(f"this was to end with exit code {exit_code}, not with {ended}")


def _run(
    root: Path, *arguments: str, stdout: int | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
    return subprocess.run(
        [sys.executable, "-m", "nself_tasks", "migrate", *arguments],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        # one stream, so that notes and results stay in their order in a log
        stderr=subprocess.STDOUT if stdout is None else None,
        text=True,
        check=False,
    )


def _say(sentence: str) -> None:
    print(f"\n# {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
