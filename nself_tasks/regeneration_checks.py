"""Whether what a Go `nself` built may take the place of what our own rewriters make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from nself_tasks import artifact_schemas
from nself_tasks.artifacts import registry
from nself_tasks.artifacts.carried_certificates import missing_certificates
from nself_tasks.artifacts.carried_over import changed_settings, lost
from nself_tasks.artifacts.env_files import is_env_path
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.rewriting import dotenv, yaml_spans
from nself_tasks.rewriting.yaml_spans import Node
from nself_tasks.secrets import is_secret_key

COMPOSE = "docker-compose.yml"


def objections(before: Evidence, upgraded: Evidence, built: Evidence) -> Iterator[str]:
    """Give what speaks against the files; what else the build wrote is not installed."""
    text = built.text(COMPOSE)
    if text is None:
        yield f"its `{COMPOSE}` is no text of at most 1 MB"
        return
    for problem in artifact_schemas.violations(PurePosixPath(COMPOSE), text):
        where = f" (line {problem.line})" if problem.line else ""
        yield f"its `{COMPOSE}` is no file of v2: {problem.message}{where}"
    installed = _installed(upgraded, built)
    if objection := lost(before, installed):
        yield objection
    if keys := changed_settings(upgraded, built):
        yield f"it changes settings in the env files: {', '.join(keys[:5])}"
    found = registry.detect(installed)
    if not any(finding.rule == "compose-v2" for finding in found):
        yield f"its `{COMPOSE}` does not have the header of v2"
    for finding in found:
        if finding.kind in ("compose", "nginx") and finding.changes:
            yield f"its `{finding.path}` is not v2 ({finding.rule})"
    for name in missing_certificates(upgraded, installed):
        yield f"its nginx files name a certificate that the project does not have: {name}"


def _installed(upgraded: Evidence, built: Evidence) -> Evidence:
    """Give the project as it would be: the build's compose file and nginx, and our own rest."""

    def ours(path: PurePosixPath) -> bool:
        return str(path) != COMPOSE and path.parts[:1] != ("nginx",)

    return replace(
        upgraded,
        files=frozenset(
            {p for p in upgraded.files if ours(p)} | {p for p in built.files if not ours(p)}
        ),
        folders=upgraded.folders | {p for p in built.folders if not ours(p)},
        texts={
            **{p: text for p, text in upgraded.texts.items() if ours(p)},
            **{p: text for p, text in built.texts.items() if not ours(p)},
        },
    )


def by_hand(before: Evidence, files: Iterable[str]) -> list[str]:
    """Give those of the files that no generator is known to have written."""
    generated = {
        str(finding.path)
        for finding in registry.detect(before)
        if finding.status != "keep" and finding.rule != "nginx-unreadable"
    }
    return sorted(set(files) - generated)


def spoilt(
    kept: Iterable[str], files: Mapping[str, bytes], made: Mapping[str, bytes]
) -> Iterator[str]:
    """Say which of the files that must stay is changed or gone."""
    for path in kept:
        if made.get(path) != files[path]:
            what = "changes" if path in made else "deletes"
            yield f"it {what} `{path}`, which is written by hand"


def secrets(*projects: Evidence) -> set[str]:
    """Give every value that has a secret's name, in env files and in compose files."""
    found: set[str] = set()
    for evidence in projects:
        for path, text in evidence.texts.items():
            if is_env_path(path):
                said = {a.key: a for a in dotenv.parse(text)}
                plain = {key: a.value or "" for key, a in said.items()}
                for values in (plain, dotenv.interpolate(said, {})):
                    found.update(value for key, value in values.items() if is_secret_key(key))
        root = yaml_spans.read(evidence.text(COMPOSE) or "")
        for node in root.walk() if isinstance(root, Node) else ():
            found.update(v.value for k, v in node.pairs if is_secret_key(k.value))
            said_so = (item.value.partition("=") for item in node.items)
            found.update(value for key, _, value in said_so if is_secret_key(key))
    return found | {inner for value in found for inner in _inside(value)}


def _inside(value: str) -> Iterator[str]:
    """Give the words of a secret in JSON, as a JWT secret is one."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return
    if isinstance(parsed, dict):
        yield from (word for word in parsed.values() if isinstance(word, str))
