"""What surrounds nginx's files: what Compose will mount, and what `nginx.conf` will provide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from nself_tasks.artifacts.compose_outcome import is_ours, outcome, stays_v1
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.artifacts.nginx_files import (
    COMPOSE,
    HOST,
    MAIN,
    ConfFile,
    conf_files,
    http_of,
    services_of,
)
from nself_tasks.rewriting.nginx_tokens import Directive

RESOLVER = "127.0.0.11"
"""Docker's own name server in every container."""

_BUILDS = (".nself/build-version", ".nself/last-build.env", ".nself/build-state/last-build.state")


@dataclass(frozen=True, slots=True)
class Setting:
    """The facts that every file's upgrade goes by."""

    files: Mapping[PurePosixPath, ConfFile]
    services: frozenset[str]
    compose: str
    """Its text after the upgrade."""
    known: frozenset[PurePosixPath]
    """Every file of the project that was looked for."""
    waits: bool = False
    """Whether the compose file is v1 and stays so: what it mounts is then v1's as well."""

    @property
    def http(self) -> Directive | None:
        """The `http` block of `nginx.conf`, if it is not hand-written."""
        main = self.files.get(MAIN)
        return http_of(main) if main and main.origin != "hand" else None

    def mounts(self, folder: str) -> bool:
        """Tell whether `nginx/<folder>` is where nginx includes it from."""
        return f"./nginx/{folder}:/etc/nginx/{folder}" in self.compose

    @property
    def has_v2_certificates(self) -> bool:
        """Whether `ssl/certificates/` is `/etc/nginx/ssl/certificates/` in the container."""
        return re.search(r"\./ssl/?:/etc/nginx/ssl/?(?=[:\"'\s]|\Z)", self.compose) is not None

    @property
    def upgrades_main(self) -> bool:
        """Whether `nginx.conf` gets what it lacks; a v2 one is as `nself build` wants it."""
        return self.http is not None and self.files[MAIN].origin == "v1"

    @property
    def has_sites(self) -> bool:
        """Whether `nginx/sites/` is read, or will be."""
        inside = self.http.block or () if self.http else ()
        included = any(d.values() == ("/etc/nginx/sites/*.conf",) for d in inside)
        return (included or self.upgrades_main) and self.mounts("sites")

    @property
    def needs_own_resolver(self) -> bool:
        """Whether another name server than Docker's, or none, is set for all sites."""
        if self.http is None or any(self.elsewhere("resolver")):
            return True
        own = [d for d in self.http.block or () if d.name == "resolver"]
        return own[0].values()[:1] != (RESOLVER,) if own else not self.upgrades_main

    @property
    def has_upgrade_map(self) -> bool:
        """Whether `$connection_upgrade` is there, or can be."""
        return self.upgrades_main or self.maps_upgrade

    @property
    def maps_upgrade(self) -> bool:
        """Whether a file has the map of `$connection_upgrade` already."""
        return any(
            directive.name == "map" and directive.values()[1:] == ("$connection_upgrade",)
            for file in self.files.values()
            for directive, _ in file.all()
        )

    def elsewhere(self, name: str) -> Iterator[Directive]:
        """Give the directives at the top of the other files: `http`, seen from nginx."""
        for path, file in self.files.items():
            if path != MAIN:
                yield from (d for d in file.tree if d.name == name)

    def by_hand(self) -> Iterator[ConfFile]:
        """Give the hand-written files."""
        return (file for file in self.files.values() if file.origin == "hand")

    def reaches(self, host: str) -> bool:
        """Tell whether Docker's name server knows the host: /etc/hosts is not asked by it."""
        if host == HOST:
            return f"{HOST}:" not in self.compose
        return host in self.services


def setting(evidence: Evidence) -> Setting | None:
    """Give the facts, or None where the project is not ɳSelf's."""
    found, after = outcome(evidence)
    if not is_ours(found) and not any(PurePosixPath(name) in evidence.files for name in _BUILDS):
        return None
    services = services_of(evidence.text(COMPOSE)) | services_of(after)
    files = conf_files(evidence, services)
    return Setting(files, services_of(after), after or "", evidence.files, stays_v1(found))
