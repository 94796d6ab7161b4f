"""The settings that make v2's own `nself build` keep the images that the v1 file runs.

Without POSTGRES_IMAGE that build puts another Postgres on the same volume: a crash loop, or an
empty database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_images import image
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.env_edits import appended
from nself_tasks.artifacts.env_files import EnvFile, Setting, env_files, role
from nself_tasks.artifacts.env_values import plain
from nself_tasks.artifacts.finding import Change, Evidence, Finding, Status
from nself_tasks.rewriting.yaml_spans import Node

ENV = ".env"
_NOTE = "what this project runs: without these, `nself build` of v2 would put other versions here"

_VERSIONS = {
    "hasura": "HASURA_VERSION",
    "auth": "AUTH_VERSION",
    "storage": "STORAGE_VERSION",
    "minio": "MINIO_VERSION",
    "redis": "REDIS_VERSION",
    "meilisearch": "MEILISEARCH_VERSION",
    "typesense": "TYPESENSE_VERSION",
}


def pins(root: Node, used: Used) -> Mapping[str, str]:
    """Give the settings that no env file has with that value yet."""
    found: dict[str, str] = {}
    for service in signals.services(root):
        value = image(root, used, service)
        if value and service == "postgres":
            found["POSTGRES_IMAGE"] = value
        elif value and service in _VERSIONS:
            tag = value.rpartition("/")[2].partition(":")[2]
            # `latest` pins nothing: what it was when it was pulled is not known here.
            if tag and tag != "latest":
                found[_VERSIONS[service]] = tag
    return {
        key: value
        for key, value in found.items()
        if any(context.get(key) != value for context in used.contexts)
    }


def pinned(evidence: Evidence, wanted: Mapping[str, str]) -> Iterator[Finding]:
    """Give the finding that writes the settings into `.env`, which v2 reads everywhere, weakest.

    A key that some env file has already is its owner's to decide.
    """
    live = {name: file for name, file in env_files(evidence).items() if role(name) == "live"}
    known = {assignment.key for file in live.values() for assignment in file.assignments}
    missing = {key: value for key, value in wanted.items() if key not in known}
    if decided := [key for key in wanted if key in known]:
        yield _finding(
            next(name for name, file in live.items() if _has(file, decided[0])),
            f"{', '.join(decided)}: the v1 file runs another version than this says",
            "kept; before the next `nself build`, make it "
            + ", ".join(f"{key}={wanted[key]}" for key in decided),
            "manual",
        )
    if missing:
        yield from _written(live, missing)


def _written(live: Mapping[str, EnvFile], missing: Mapping[str, str]) -> Iterator[Finding]:
    settings = ", ".join(f"{key}={value}" for key, value in missing.items())
    if not live:
        yield _finding(
            "docker-compose.yml",
            "`nself build` of v2 starts other versions than v1 ran, and no env file is here to"
            " tell it",
            f"before the next `nself build`, put into `.env`: {settings}",
            "keep",
        )
        return
    # The early projects have this file alone; beside a `.env` it would be a personal one.
    name = ".env.local" if live.keys() == {".env.local"} else ENV
    added = [(key, Setting(plain(value), False, name)) for key, value in missing.items()]
    text = live[name].text if name in live else ""
    yield _finding(
        name,
        f"`nself build` of v2 starts other versions than v1 ran, unless told: {settings}",
        "write that here" if name in live else "write that into a new file, which v2 reads first",
        "migrate",
        Change(PurePosixPath(name), (appended(text, _NOTE, added),)),
    )


def _has(file: EnvFile, key: str) -> bool:
    return any(assignment.key == key for assignment in file.assignments)


def _finding(
    name: str, message: str, action: str, status: Status, change: Change | None = None
) -> Finding:
    return Finding(
        "compose-pins", "compose", PurePosixPath(name), None, status, message, action,
        changes=(change,) if change else (),
    )  # fmt: skip
