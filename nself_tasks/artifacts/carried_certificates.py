"""Whether nginx finds the certificates that newly written sites name: without them it stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from nself_tasks.artifacts.carried_state import mounted
from nself_tasks.artifacts.compose_meaning import meaning
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.artifacts.nginx_certificates import EARLY, FOLDER, MOUNT
from nself_tasks.artifacts.nginx_files import COMPOSE, conf_files
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.yaml_spans import Node


def missing_certificates(before: Evidence, after: Evidence) -> Iterator[str]:
    """Give what the sites afterwards name and the sites before did not, if it is not there.

    A project that has no certificates at all makes them later, for whatever names them.
    """
    known = before.files | before.folders
    if not any(
        path != top and path.is_relative_to(top) for path in known for top in (EARLY, FOLDER)
    ):
        return
    root = yaml_spans.read(after.text(COMPOSE) or "")
    places = mounted(meaning(root if isinstance(root, Node) else None, {}), "nginx")
    source = PurePosixPath(places.get(MOUNT.rstrip("/"), ""))
    for name in sorted(_named(after) - _named(before)):
        path = source / name.removeprefix(MOUNT)
        # Of the certificates' folders only the names are known, not what is in them.
        if path not in known and not (path.parent in known and path.parent != FOLDER):
            yield name


def _named(evidence: Evidence) -> set[str]:
    return {
        directive.args[0].value
        for file in conf_files(evidence, frozenset()).values()
        for directive, _ in file.all()
        if directive.name in ("ssl_certificate", "ssl_certificate_key") and directive.args
        if directive.args[0].value.startswith(MOUNT)
    }
