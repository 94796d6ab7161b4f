"""Reports as a person reads them: what, where, what state things are in, what to do."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nself_tasks.model import Report
from nself_tasks.reporting.terminal import paint
from nself_tasks.secrets import mask


def printable(text: str) -> str:
    """Give a name without the signs that would break a line: a file may be called anything."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def table(rows: Sequence[Sequence[str]], *, gap: int = 2) -> list[str]:
    """Align columns; the last one is not padded."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    pad = " " * gap
    return [
        pad.join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def execution(data: Mapping[str, Any], *, color: bool, backups: str) -> list[str]:
    """Give the summary of a run or rollback, made from what the database says."""
    done, verb = (
        (data["applied"], "applied") if data["goal"] == "run" else (data["reverted"], "rolled back")
    )
    files = data.get("files") or ()
    lines = [f"{len(files)} file{'s' if len(files) != 1 else ''} upgraded: {', '.join(files)}"]
    if data.get("files_backup"):
        lines.append(f"backup: {backups}/{data['files_backup']}")
    of = f" --plugins-dir {shlex.quote(data['plugins_dir'])}" if "plugins_dir" in data else ""
    lines.append(f"put them back with `nself migrate rollback --files{of}`")
    if left := data.get("left"):
        lines.append(f"{left} left for you to decide: see `nself migrate detect{of}`")
    lines = lines if files else []
    if not done:
        return lines or [data.get("sentence") or "nothing to do"]
    count = f"{len(done)} migration{'s' if len(done) != 1 else ''} {verb}"
    where = f" on {data['target']} ({data['environment']})"
    lines.append(paint(count, "green", enabled=color) + where)
    if data.get("backup") and not (files and data["backup"] == data.get("files_backup")):
        lines.append(f"backup: {backups}/{data['backup']}")
    if data["goal"] == "run":
        lines.append("undo the last one with `nself migrate rollback`")
    return lines


def files_rollback(data: Mapping[str, Any], *, backups: str) -> list[str]:
    """Give the list of backups, or what `rollback --files` has put back."""
    if data["goal"] == "list":
        rows = [["BACKUP", "FILES", "DATABASE", "REASON"]]
        for found in data["backups"]:
            dump = "yes" if found["database"] else "no"
            rows.append([found["id"], str(found["files"]), dump, found["reason"]])
        return table(rows) if len(rows) > 1 else ["no backups"]
    if data["backup_of_today"] is None:
        return [f"nothing to put back: the files are as in {backups}/{data['backup']}"]
    lines = [f"{len(data['restored'])} files put back from {backups}/{data['backup']}"]
    if data["backup_of_today"]:
        lines.append(f"what they were until now: {backups}/{data['backup_of_today']}")
    return lines


def status(data: Mapping[str, Any], *, color: bool, verbose: bool) -> list[str]:
    """Give the table of `status`, with differences below it when verbose."""
    rows: list[list[str]] = [["VERSION", "NAME", "STATE", "APPLIED", "BY", "TIME"]]
    for item in data["migrations"]:
        when = item["applied_at"].strftime("%Y-%m-%d %H:%M:%S") if item["applied_at"] else ""
        took = f"{item['execution_ms']} ms" if item["execution_ms"] is not None else ""
        rows.append(
            [item["version"], item["name"], item["state"], when, item["applied_by"] or "", took]
        )
    lines = table(rows) if len(rows) > 1 else ["no migrations"]
    for item in data["migrations"]:
        lines += [f"{item['version']}: {note}" for note in item["notes"]]
        if item["detail"] and verbose:
            lines += ["", *item["detail"].splitlines()]
        elif item["detail"]:
            lines.append(f"{item['version']}: `--verbose` shows the difference")
    counts = ", ".join(f"{n} {state}" for state, n in data["summary"].items() if n)
    return [*lines, "", f"{data['target']} ({data['environment']}): {counts or 'nothing yet'}"]


def graph(data: Mapping[str, Any]) -> list[str]:
    """Give the graph as text: each step with what it comes after."""
    lines = []
    for step in data["steps"]:
        before = ", ".join([*step["after"], *(f"{s} (setup)" for s in step["setup"])])
        lines.append(f"{step['id']}  ◄ {before}" if before else step["id"])
    return lines


def detect(data: Mapping[str, Any], *, verbose: bool = False) -> list[str]:
    """Give the table ARTIFACT, STATUS, NOTES of `detect`; every finding below it when verbose."""
    rows = [["ARTIFACT", "STATUS", "NOTES"]]
    rows += [
        [printable(a["artifact"]), a["status"], printable(a["notes"])] for a in data["artifacts"]
    ]
    if len(rows) == 1 and "plugins_dir" in data:
        return [f"No plugin manifests (`*/plugin.json`, `*/manifest.json`): {data['plugins_dir']}"]
    if len(rows) == 1:
        return ["No v1 artifacts: this project is ready for v2."]
    lines = table(rows)
    for artifact in data["artifacts"] if verbose else ():
        for found in artifact["findings"]:
            place = (
                f"{artifact['artifact']}:{found['line']}" if found["line"] else artifact["artifact"]
            )
            lines.append("")
            lines.append(f"{place}: {found['message']} [{found['kind']}/{found['rule']}]")
            lines.append(f"    {found['status']}: {found['action']}")
            if found["accepted"] is not None:
                lines.append(f"    accepted: {found['accepted']}")
    return lines


def error(report: Report, *, color: bool, secrets: Iterable[str] = ()) -> list[str]:
    """Give an error: what, its excerpt, the problems, the state, what to do."""
    found = report.error
    if not found:
        return []
    lines = [paint("error:", "red", enabled=color) + f" {found['message']}"]
    if found.get("detail"):
        lines += ["", *("  " + line for line in str(found["detail"]).splitlines())]
    for problem in found.get("problems") or ():
        line = f":{problem['line']}" if problem.get("line") else ""
        where = f"{problem['path']}{line}: " if problem.get("path") else ""
        lines.append(f"  {where}{problem['message']}")
    if report.data.get("state"):
        lines += ["", str(report.data["state"])]
    if found.get("hint"):
        lines += ["", f"hint: {found['hint']}"]
    known = tuple(secrets)
    return [mask(line, known) for line in lines]
