"""Pairs the files of a migrations folder, and names new ones.

20260507142301_add_orders.sql        the up file, or …_add_orders.up.sql
20260507142301_add_orders.down.sql   its down file, or …_add_orders_down.sql
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from nself_tasks.errors import InputError, Problem
from nself_tasks.migrations.source import has_statement, read
from nself_tasks.model import Migration, SourceFile

# The name holds no dot: `1_a.rollback.sql` and `1_a.down.v2.sql` must never count as an up file.
# A `_down` file was once run as a migration in production.
_NAME = re.compile(
    r"(?P<version>[0-9]+)_(?P<name>[^.\x00-\x1f\x7f]+?)(?P<kind>\.up|\.down|_down)?\.sql",
    re.IGNORECASE,
)
_DOWN_ONLY = re.compile(r"[0-9]+_down\.sql", re.IGNORECASE)
_RULE = (
    "is no migration name: call it `<digits>_<name>.sql`, and its rollback "
    "`<digits>_<name>.down.sql`, without other dots"
)
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class _File:
    path: PurePosixPath
    version: str
    name: str
    is_down: bool
    underscored: bool
    source: SourceFile | None
    """None where it could not be read: it still takes part in the pairing."""

    @property
    def number(self) -> int:
        return int(self.version)


def collect(entries: Iterable[tuple[PurePosixPath, bytes | OSError]]) -> tuple[Migration, ...]:
    """The migrations in the order of their versions; raises InputError with all that is wrong.

    Hidden files and those that do not end in `.sql` are passed over.
    """
    problems: list[Problem] = []
    files = [
        file
        for path, content in sorted(entries, key=lambda entry: entry[0])
        if path.suffix.lower() == ".sql"
        and not path.name.startswith(".")
        and (file := _named(path, content, problems))
    ]
    ups = _by_number([file for file in files if not file.is_down])
    downs = _by_number([file for file in files if file.is_down])
    migrations = []
    for number, found in sorted(ups.items()):
        problems += _doubled(found, "up")
        down = _down_of(found, downs.get(number, []), problems)
        up = found[0]
        if up.source and not has_statement(up.source.text):
            problems.append(_problem(up, "has no statement: write some SQL or delete the file"))
        elif up.source:
            migrations.append(Migration(up.version, up.name, up.source, down))
    for number in sorted(downs.keys() - ups.keys()):
        problems += [_problem(d, f"has no up file of version {d.version}") for d in downs[number]]
    if problems:
        problems.sort(key=lambda problem: (problem.path or "", problem.line or 0))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(
            f"the migration files have {count}",
            problems=problems,
            hint="mend the files and run again; nothing was changed",
            database="unchanged",
        )
    return tuple(migrations)


def slug(description: str) -> str:
    """A file name's middle part of a description: `Add é to Users!` gives `add_e_to_users`.

    Never ends in `_up` or `_down`: such a file would be taken for the other direction.
    """
    plain = unicodedata.normalize("NFKD", description.casefold())
    words = re.sub(r"[^a-z0-9]+", "_", plain.encode("ascii", "ignore").decode()).strip("_")
    kept = words[:_LONGEST].strip("_")
    while kept.endswith(("_up", "_down")):
        kept = kept.removesuffix("_up").removesuffix("_down").rstrip("_")
    return "migration" if kept in ("", "up", "down") else kept


def file_names(stamp: str, slug: str) -> tuple[str, str]:
    """The names of a new migration's up and down file."""
    return f"{stamp}_{slug}.sql", f"{stamp}_{slug}.down.sql"


def _named(path: PurePosixPath, content: bytes | OSError, problems: list[Problem]) -> _File | None:
    match = _NAME.fullmatch(path.name)
    if not match or _DOWN_ONLY.fullmatch(path.name):
        problems.append(Problem(_RULE, str(path)))
        return None
    source = None
    if isinstance(content, OSError):
        reason = content.strerror or str(content) or type(content).__name__
        problems.append(Problem(f"cannot be read: {reason}", str(path)))
    else:
        try:
            source = read(path, content)
        except InputError as error:
            problems.extend(error.problems)
    kind = (match["kind"] or "").lower()
    is_down = kind in (".down", "_down")
    return _File(path, match["version"], match["name"], is_down, kind == "_down", source)


def _by_number(files: list[_File]) -> dict[int, list[_File]]:
    found: dict[int, list[_File]] = {}
    for file in files:
        found.setdefault(file.number, []).append(file)
    return found


def _doubled(files: list[_File], direction: str) -> list[Problem]:
    first, *others = files
    return [
        _problem(
            other, f"is a second {direction} file of version {first.number}: {first.path.name}"
        )
        for other in others
    ]


def _down_of(ups: list[_File], downs: list[_File], problems: list[Problem]) -> SourceFile | None:
    matching = []
    for down in downs:
        if any(_belongs(down, up) for up in ups):
            matching.append(down)
        else:
            expected = file_names(ups[0].version, ups[0].name)[1]
            why = f"does not have the name of its up file {ups[0].path.name}: call it `{expected}`"
            problems.append(_problem(down, why))
    if not matching:
        return None
    problems += _doubled(matching, "down")
    source = matching[0].source
    # A template that nobody filled in must not count as a rollback that works.
    return source if source and has_statement(source.text) else None


def _belongs(down: _File, up: _File) -> bool:
    # `1_a_down.sql` is also what stands beside `1_a_up.sql`.
    return up.name == down.name or (down.underscored and up.name == f"{down.name}_up")


def _problem(file: _File, message: str) -> Problem:
    return Problem(message, str(file.path))
