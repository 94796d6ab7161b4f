"""What `nself maintenance` found and did, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SITE = {
    "maintenance": "the site is in maintenance",
    "serving": "the site is not in maintenance",
    "mixed": "a part of the site is in maintenance",
    "no-answer": "the site does not answer",
    "unpublished": "the site cannot be asked: none of its ports is published here",
}


def maintenance(data: Mapping[str, Any], *, verbose: bool = False) -> list[str]:
    """Give what the site answers, where the file says something else, and the hosts that differ."""
    lines = [_done(data), *_disagreement(data)]
    odd = data["site"] == "mixed"
    for host in data["hosts"] if verbose or odd else ():
        said = f"answers {host['status']}" if host["status"] else f"no answer: {host['why']}"
        lines.append(f"  {host['url']}  {'in maintenance' if host['maintenance'] else said}")
    return [line for line in lines if line]


def _done(data: Mapping[str, Any]) -> str:
    count = f", asked at {_counted(data['hosts'])}"
    said = _SITE[data["site"]] + (count if data["hosts"] else "")
    if data["site"] == "maintenance" and data["retry_after"] is not None:
        said += f": 503 with Retry-After {data['retry_after']}, since {data['since']}"
    if data["goal"] == "enable" and data["changed"]:
        return f"{said}\n{data['path']} is in place; `nself maintenance disable` takes it away"
    return said


def _disagreement(data: Mapping[str, Any]) -> list[str]:
    """Say where file and site say two things, and what makes them one."""
    present, state = data["file"] == "present", data["site"]
    both = "`nself maintenance enable` again, or `nself maintenance disable`"
    if present and state in ("serving", "mixed"):
        return [f"{data['path']} is in place, and nginx has not read it everywhere: {both}"]
    if not present and state in ("maintenance", "mixed"):
        return ["the file is gone, and nginx still has it: `nself maintenance disable`"]
    return []


def _counted(hosts: list[Any]) -> str:
    return "1 host" if len(hosts) == 1 else f"{len(hosts)} hosts"
