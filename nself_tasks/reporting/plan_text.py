"""A plan as a person reads it: what would happen, why, in which order, and what files become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nself_tasks.reporting import losses_text
from nself_tasks.reporting.terminal import paint
from nself_tasks.secrets import mask

MOST_NAMES = 4


def plan(data: Mapping[str, Any], *, color: bool, verbose: bool = False) -> list[str]:
    """Give the listing of a plan: a line a step, its reasons and what it comes after below it."""
    where = "the files alone" if data["target_source"] == "not asked" else data["target"]
    lines = [f"plan for {where} ({data['environment']})", ""]
    steps = data["steps"] if verbose else _grouped(data["steps"])
    width = max((len(s["id"]) for s in steps), default=0)
    for step in steps:
        status = step["status"]
        label = f"{status:<11}"
        if status in ("run", "blocked"):
            label = paint(label, "green" if status == "run" else "red", enabled=color)
        lines.append(f"{label} {step['id']:<{width}}  {step['title']}".rstrip())
        lines += [f"{'':11} {'':4}{line}" for line in _below(step, verbose=verbose)]
    for file in data.get("files", ()):
        lines += _difference(file, color=color)
    lines += losses_text.listing(data.get("losses", ()))
    return [*lines, "", f"{_total(data)}; nothing was changed"]


def _grouped(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Put all that is staged alike into one line: it says little of each file."""
    found: list[Mapping[str, Any]] = []
    count = 0
    for step in steps:
        if step["stage"] != "stage":
            found.append(step)
            continue
        if not count or step["status"] != found[-1]["status"]:
            found.append(step)
            count = 0
        count += 1
        if count > 1:
            title = f"write the new text of {count} files to .nself/migrate/staged"
            found[-1] = {**found[-1], "id": "migrate:stage:…", "title": title}
    return found


def _total(data: Mapping[str, Any]) -> str:
    summary, files = data["summary"], data.get("files", ())
    count = f"{len(files)} file{'s' if len(files) != 1 else ''}"
    if data["goal"] == "rollback":
        return f"{summary['to_revert']} to roll back"
    if data["goal"] == "rollback-files":
        return f"{count} to put back"
    if data["goal"] in ("restore", "drop-old"):
        return f"{summary['run']} steps to run"
    pending = f"{summary['pending']} pending"
    return f"{count} to upgrade, {pending}" if files else pending


def _difference(file: Mapping[str, Any], *, color: bool) -> Iterable[str]:
    """Give what becomes of a file, where `--diff` asked for it."""
    if "diff" not in file:
        return
    mode = f", permissions {file['mode']}" if file["mode"] else ""
    yield from ("", f"{file['path']}: {file['change']}{mode}")
    for line in file["diff"].splitlines():
        shade = {"+": "green", "-": "red"}.get(line[:1]) if color else None
        yield paint(line, shade, enabled=True) if shade else line


def _names(steps: Sequence[str], *, verbose: bool) -> str:
    """Give the steps, or the first of many: the goal comes after every file."""
    if verbose or len(steps) <= MOST_NAMES:
        return ", ".join(steps)
    return f"{', '.join(steps[:MOST_NAMES])} and {len(steps) - MOST_NAMES} more"


def _below(step: Mapping[str, Any], *, verbose: bool) -> Iterable[str]:
    if step["reasons"]:
        yield "why:   " + "; ".join(step["reasons"])
    if step["after"]:
        yield "after: " + _names(step["after"], verbose=verbose)
    if step["setup"] and verbose:
        yield "setup: " + ", ".join(step["setup"])
    if len(step["segments"]) > 1 or (verbose and step["segments"]):
        yield "how:   " + "; ".join(step["segments"])
    for statement in step.get("sql", ()):
        yield from ("| " + line for line in (mask(statement, []) + ";").splitlines())
