"""Backups as a person reads them: the list, one of them, what was verified, what was restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nself_tasks.reporting.terminal import size
from nself_tasks.reporting.text import printable, table

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def age(seconds: int | None) -> str:
    """Give an age in its largest unit: `3 d`, `5 h`, `12 min`, `40 s`."""
    if seconds is None:
        return "?"
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def lines(data: Mapping[str, Any], *, backups: str) -> list[str]:
    """Give the lines of any goal of `backups`."""
    goal = data["goal"]
    if goal == "list":
        return listing(data)
    if goal == "show":
        return one(data)
    if goal == "verify":
        return [f"{found['id']}  sound: {_contents(found)}" for found in data["verified"]] or [
            "no backups"
        ]
    if goal == "drop-old":
        return [f"dropped {name}" for name in data["dropped"]]
    return restored(data, backups=backups)


def _contents(found: Mapping[str, Any]) -> str:
    entries = f", {found['entries']:,} entries in the dump" if found["entries"] is not None else ""
    return f"{found['files']} files{entries}, {size(found['size'])}"


def listing(data: Mapping[str, Any]) -> list[str]:
    """Give the table of `backups list`, with what is wrong below it."""
    rows = [["BACKUP", "AGE", "SIZE", "FILES", "DATABASE", "ENV", "STATE", "REASON"]]
    for found in data["backups"]:
        major = f" ({found['server_major']})" if found["server_major"] else ""
        rows.append(
            [
                printable(found["id"]),
                age(found["age_seconds"]),
                size(found["size"]),
                str(found["files"]),
                printable(found["database"] or "-") + major,
                printable(found["environment"] or "-"),
                found["state"],
                printable(found["reason"]),
            ]
        )
    if len(rows) == 1:
        return ["no backups"]
    below = [_problem(p) for found in data["backups"] for p in found["problems"]]
    return [*table(rows), *(["", *below] if below else [])]


def one(data: Mapping[str, Any]) -> list[str]:
    """Give what `backups show` knows of one backup."""
    found, dump, lost = data["backup"], data["dump"], data["not_in_the_dump"]
    taken = found["taken_at"]
    when = taken.isoformat(sep=" ", timespec="seconds") if taken else "?"
    rows = [
        ["backup", data["path"]],
        ["state", found["state"]],
        ["taken", f"{when}, {age(found['age_seconds'])} ago"],
        ["reason", found["reason"] or "-"],
        ["environment", found["environment"] or "-"],
        ["size", size(found["size"])],
        ["project", data["project_dir"] or "-"],
    ]
    if dump:
        entries = f"{dump['entries']:,} entries" if dump["entries"] is not None else "entries: ?"
        rows += [
            ["database", f"{dump['database']} ({dump['identity']})"],
            ["server", f"PostgreSQL {found['server_major']}, {dump['tool']}"],
            ["dump", f"{dump['dump']}, {size(dump['size'])}, {entries}"],
            ["roles that are not in it", ", ".join(lost["roles"]) or "none"],
            ["replication slots not in it", ", ".join(lost["replication_slots"]) or "none"],
        ]
    for file in data["files"]:
        there = size(file["size"]) if file["size"] is not None else "missing"
        rows.append(["file", f"{file['path']}  {there}"])
    rows += [["made by the upgrade", path] for path in data["created"]]
    shown = [[left, printable(right)] for left, right in rows]
    return [*table(shown), *(_problem(p) for p in found["problems"])]


def restored(data: Mapping[str, Any], *, backups: str) -> list[str]:
    """Give what `backups restore` has done, and what there is to do after it."""
    lines = []
    if data["restored"]:
        lines.append(f"`{data['restored']}` is the backup {data['backup']}")
    if data["kept"]:
        lines.append(f"what it was until now is kept as `{data['kept']}`")
        lines.append(f"drop that with `nself migrate backups restore {data['backup']} --drop-old`")
    if data["pending_again"]:
        lines.append("pending again: " + ", ".join(data["pending_again"]))
    elif data["kept"]:
        lines.append("no migration is pending again")
    files = data["files"]
    if files is not None and files["backup_of_today"] is None:
        lines.append(f"nothing to put back: the files are as in {backups}/{data['backup']}")
    elif files is not None:
        lines.append(f"{len(files['restored'])} files put back")
        lines.append(f"what they were until now: {backups}/{files['backup_of_today']}")
    return lines


def _problem(problem: Mapping[str, Any]) -> str:
    return printable(f"{problem['path']}: {problem['message']}")
