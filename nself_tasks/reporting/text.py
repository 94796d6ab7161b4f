"""Reports as a person reads them: what, where, what state things are in, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nself_tasks.model import Report
from nself_tasks.reporting.terminal import paint
from nself_tasks.secrets import mask


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


def plan(data: Mapping[str, Any], *, color: bool, verbose: bool = False) -> list[str]:
    """Give the listing of a plan: a line a step, its reasons and what it comes after below it."""
    lines = [f"plan for {data['target']} ({data['environment']})", ""]
    steps = data["steps"]
    width = max((len(s["id"]) for s in steps), default=0)
    for step in steps:
        status = step["status"]
        label = f"{status:<11}"
        if status in ("run", "blocked"):
            label = paint(label, "green" if status == "run" else "red", enabled=color)
        lines.append(f"{label} {step['id']:<{width}}  {step['title']}".rstrip())
        lines += [f"{'':11} {'':4}{line}" for line in _below(step, verbose=verbose)]
    summary = data["summary"]
    total = f"{summary['pending']} pending"
    if data["goal"] == "rollback":
        total = f"{summary['to_revert']} to roll back"
    lines += ["", f"{total}; nothing was changed"]
    return lines


def _below(step: Mapping[str, Any], *, verbose: bool) -> Iterable[str]:
    if step["reasons"]:
        yield "why:   " + "; ".join(step["reasons"])
    if step["after"]:
        yield "after: " + ", ".join(step["after"])
    if step["setup"] and verbose:
        yield "setup: " + ", ".join(step["setup"])
    if len(step["segments"]) > 1 or (verbose and step["segments"]):
        yield "how:   " + "; ".join(step["segments"])
    for statement in step.get("sql", ()):
        yield from ("| " + line for line in (mask(statement, []) + ";").splitlines())


def execution(data: Mapping[str, Any], *, color: bool) -> list[str]:
    """Give the summary of a run or rollback, made from what the database says."""
    done, verb = (
        (data["applied"], "applied") if data["goal"] == "run" else (data["reverted"], "rolled back")
    )
    if not done:
        return [data.get("sentence") or "nothing to do"]
    count = f"{len(done)} migration{'s' if len(done) != 1 else ''} {verb}"
    where = f" on {data['target']} ({data['environment']})"
    lines = [paint(count, "green", enabled=color) + where]
    if data.get("backup"):
        lines.append(f"backup: .nself/backup/{data['backup']}")
    if data["goal"] == "run":
        lines.append("undo the last one with `nself migrate rollback`")
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


def detect(data: Mapping[str, Any]) -> list[str]:
    """Give the table ARTIFACT, STATUS, NOTES of `detect`."""
    rows = [["ARTIFACT", "STATUS", "NOTES"]]
    rows += [[a["artifact"], a["status"], a["notes"]] for a in data["artifacts"]]
    return table(rows) if len(rows) > 1 else ["No v1 artifacts: this project is ready for v2."]


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
