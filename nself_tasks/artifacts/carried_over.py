"""Holds what a v2 project would run against what the v1 project runs: nothing of it may be lost.

Both compose files are read with their variables replaced, the old one in v1's order of the env
files and the new one in v2's, for every environment that the old one serves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nself_tasks.artifacts import carried_state as state
from nself_tasks.artifacts.carried_settings import changes, ports, shared
from nself_tasks.artifacts.compose_formulas import Values, expanded
from nself_tasks.artifacts.compose_meaning import Meaning, meaning
from nself_tasks.artifacts.compose_project import Used, environments_served, used
from nself_tasks.artifacts.compose_services import HARDENED
from nself_tasks.artifacts.env_files import env_files, environments, order
from nself_tasks.artifacts.env_keys import RENAMED
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.artifacts.nginx_files import held_by_hand
from nself_tasks.rewriting import dotenv, yaml_spans
from nself_tasks.rewriting.expansion import references
from nself_tasks.rewriting.yaml_spans import Node

COMPOSE = "docker-compose.yml"

_GENERATED = HARDENED | {"storage"}
"""Services that v2's generator writes anew; of any other one nothing may change."""
_REPLACED = {"mailhog": "mailpit", "dashboard": "nself-admin"}
_PASSING = frozenset({"minio-client", "minio-init", "meilisearch-init"})
"""They set something up once and keep nothing: v2 does that in its own way."""
_GOING = _PASSING | _REPLACED.keys() | {*_REPLACED.values()}
_CERTIFICATES = "/etc/nginx/ssl"
_UNDEFAULTED = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class _Both:
    """One environment's services, as v1 runs them and as v2 would."""

    environment: str
    before: Meaning
    after: Meaning
    by_hand: bool
    """Whether hand-written nginx files need the certificates where v1 mounted them."""

    def services(self, *, after: bool = False) -> list[str]:
        found = self.after if after else self.before
        return [service for service, name in found if service and not name]


def lost(before: Evidence, after: Evidence) -> str | None:
    """Say the first thing that the v1 project has and the v2 one would not, in one sentence.

    None where everything is carried over. No value of a setting is ever in it.
    """
    pairs = _pairs(before, after)
    if isinstance(pairs, str):
        return pairs
    for check in (_services, _database, _kept, _logins, _others):
        for pair in pairs:
            for objection in check(pair):
                return objection
    return None


def changed_settings(before: Evidence, after: Evidence) -> tuple[str, ...]:
    """Give the keys that v2 would resolve otherwise in some environment, both being v2's files."""
    names = environments([*env_files(before), *env_files(after)])
    found: dict[str, None] = {}
    for name in names:
        old, new = _values(before, name), _values(after, name)
        found.update(dict.fromkeys(k for k in {**old, **new} if old.get(k) != new.get(k)))
    return tuple(found)


def _values(evidence: Evidence, environment: str) -> Values:
    """Give the variables as v2 has them."""
    merged = {
        assignment.key: assignment
        for name in order(environment, "v2")
        for assignment in dotenv.parse(evidence.text(name) or "")
    }
    return dotenv.interpolate(merged, {})


def _pairs(before: Evidence, after: Evidence) -> list[_Both] | str:
    """Read both files for each environment, or say why that is enough to refuse the new one."""
    text, new_text = before.text(COMPOSE) or "", after.text(COMPOSE) or ""
    root, new = yaml_spans.read(text), yaml_spans.read(new_text)
    if not isinstance(root, Node) or not isinstance(new, Node):
        which = "it cannot be read" if isinstance(root, Node) else "v1's cannot be read"
        return f"`{COMPOSE}`: {which}"
    found = used(before, text, root)
    if isinstance(found, str):
        return f"what v1 ran cannot be told: {found}"
    contexts = [
        values
        for values in (_values(after, name) for name in environments_served(before))
        if values.get("PROJECT_NAME") in (None, "", found.prefix)
    ]
    if len(contexts) != len(found.contexts):
        return "the environments do not name the same project any more"
    if objection := _unset(new, contexts, text, found) or _renamed(new, contexts, found):
        return objection
    held = bool(held_by_hand(before))
    return [
        _Both(name, meaning(root, old, found.project), meaning(new, values), held)
        for name, old, values in zip(found.environments, found.contexts, contexts, strict=True)
    ]


def _renamed(new: Node, contexts: list[Values], found: Used) -> str | None:
    written = new.get("name")
    names = {expanded(written.value if written else "", context) for context in contexts}
    if names == {found.project}:
        return None
    shown = ", ".join(sorted(names)) or "nothing"
    return f"it names the project `{shown}` instead of `{found.project}`: other volumes"


def _unset(new: Node, contexts: list[Values], text: str, found: Used) -> str | None:
    """Refuse a file that needs what no env file says: its own settings are not installed."""
    wanted = {
        match[1] or match[2]
        for node in new.walk()
        if node.kind == "scalar"
        for match in _UNDEFAULTED.finditer(node.value)
    } - {None}
    known = set(references(text))
    known |= {renamed.new for renamed in RENAMED if renamed.old in known}
    for values, old in zip(contexts, found.contexts, strict=True):
        for name in sorted(wanted - values.keys()):
            if name in old or name not in known:
                return f"it takes `{name}` from the environment, and no env file sets it"
    return None


def _services(pair: _Both) -> Iterator[str]:
    there = pair.services(after=True)
    for service in pair.services():
        if service not in there and service not in _PASSING and _REPLACED.get(service) not in there:
            yield f"it leaves out the service `{service}`"


def _database(pair: _Both) -> Iterator[str]:
    if state.POSTGRES in pair.services():
        yield from state.postgres(pair.before, pair.after)


def _kept(pair: _Both) -> Iterator[str]:
    """Hold the versions and the volumes of everything that keeps something."""
    there = pair.services(after=True)
    for service in pair.services():
        if service not in there or service == "nginx":
            continue
        places = state.mounted(pair.before, service)
        named = [source for source in places.values() if source[:1] not in ("", ".", "/", "~")]
        is_stateful = service in state.STATEFUL or service == state.POSTGRES
        if named or is_stateful:
            yield from state.version(pair.before, pair.after, service)
        targets = frozenset(places) if is_stateful else frozenset()
        yield from state.mounts(pair.before, pair.after, service, targets)


def _others(pair: _Both) -> Iterator[str]:
    """Hold all that a container is, and every mount; v2 has nginx's certificates elsewhere."""
    there = pair.services(after=True)
    for service in pair.services():
        if service in _PASSING or service not in there:
            continue
        targets = frozenset(
            target
            for target in state.mounted(pair.before, service)
            if service != "nginx" or pair.by_hand or target != _CERTIFICATES
        )
        yield from state.mounts(pair.before, pair.after, service, targets)
        yield from ports(pair.before, pair.after, service, pair.environment)
        own = service not in _GENERATED
        yield from changes(pair.before, pair.after, service, own=own, passing=_GOING)
    yield from shared(pair.before, pair.after)


def _logins(pair: _Both) -> Iterator[str]:
    yield from state.logins(pair.before, pair.after)
