"""What Compose really used under v1: the project's name and the values of its variables.

v1 called `docker compose --project-name "$PROJECT_NAME" --env-file .env.runtime`, and that file
was the env cascade plus what v1 computed from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nself_tasks.artifacts.compose_formulas import Values, expanded, formulas_of
from nself_tasks.artifacts.compose_references import compose_files
from nself_tasks.artifacts.compose_signals import e1_prefix, lines_of
from nself_tasks.artifacts.env_files import env_files, environments, order, role
from nself_tasks.artifacts.env_spelled import assignments
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.rewriting import dotenv
from nself_tasks.rewriting.dotenv import Assignment
from nself_tasks.rewriting.yaml_spans import Node

COMPUTED = (".env.runtime", ".env.computed")
"""What v1 wrote itself; where the cascade says something else now, the cascade is newer."""
ENV_FILES = (".env", ".env.*")

_SPELLINGS = {
    **dict.fromkeys(("development", "develop", "devel"), "dev"),
    "production": "prod",
    "stage": "staging",
}
_HEADER_PROJECT = re.compile(r"#\s*Project: *(\S+)\s*\Z")
_VALID = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""The names that Compose takes; it refuses `--project-name Shop`."""


@dataclass(frozen=True, slots=True)
class Used:
    """What the running v1 project has."""

    project: str
    """The prefix of volumes and networks: what `--project-name` was."""
    prefix: str
    """PROJECT_NAME, the prefix of the containers' names; nearly always the same."""
    contexts: tuple[Values, ...]
    """The variables, for each environment that this compose file may have served."""
    formulas: Values
    """What v1 computed variables from; once its own files are gone, no file says them."""
    environments: tuple[str, ...] = ()
    """The environment of each context."""
    rival: str | None = None
    """A COMPOSE_PROJECT_NAME that v1 ignored and Compose by itself does not."""

    elsewhere: str = ""
    """The project's other compose files: what one of them names has to stay."""

    def names_elsewhere(self, name: str) -> bool:
        """Tell whether another compose file names it."""
        return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", self.elsewhere) is not None

    def value(self, written: str) -> str | None:
        """Give the text with its variables replaced, or None where environments differ."""
        values = {expanded(written, context) for context in self.contexts}
        return values.pop() if len(values) == 1 else None


def used(evidence: Evidence, text: str, root: Node) -> Used | str:
    """Work out what Compose used, or say why that cannot be told."""
    # The first environment is the one that v1 wrote its own files for.
    served = tuple(environments_served(evidence))
    own, *others = (_merged(evidence, order(name, "v1")) for name in served)
    computed = _merged(evidence, COMPUTED)
    values = [dotenv.interpolate(merged, {}) for merged in ({**computed, **own}, *others)]
    built_for = _built_for(text, root)
    names = {
        name: value["PROJECT_NAME"]
        for name, value in zip(served, values, strict=True)
        if value.get("PROJECT_NAME")
    }
    said = {*names.values()}
    if len(said) > 1 or (built_for and said and built_for not in said):
        return _disagreement(names, built_for)
    prefix = built_for or (min(said) if len(said) == 1 else "")
    if not prefix:
        return "the project's name is nowhere to be found (PROJECT_NAME)"
    written = {key: values[0].get(key, "") for key in computed if key not in own}
    formulas = formulas_of({"PROJECT_NAME": prefix, **values[0]}, written, prefix)
    if not said:
        formulas = {**formulas, "PROJECT_NAME": prefix}
    contexts = {
        name: _complete(value, prefix, formulas) for name, value in zip(served, values, strict=True)
    }
    found = _named(root, prefix, contexts, formulas)
    beside = "\n".join(other for other in compose_files(evidence).values() if other != text)
    return found if isinstance(found, str) else replace(found, elsewhere=beside)


def _disagreement(names: Mapping[str, str], built_for: str | None) -> str:
    """Say who calls the project what: it is the prefix of the volumes, and `name:` can be one."""
    if len({*names.values()}) == 1:
        other = next(iter(names.values()))
        return f"it was built for the project `{built_for}`, but PROJECT_NAME is `{other}`"
    each = ", ".join(f"`{project}` in {name}" for name, project in names.items())
    return f"PROJECT_NAME is {each}: one `name:` would give all but one of them other volumes"


def _named(
    root: Node, prefix: str, by_environment: Mapping[str, Values], formulas: Values
) -> Used | str:
    """Add the project name: builds that write `name:` also prefer COMPOSE_PROJECT_NAME."""
    contexts = tuple(by_environment.values())
    others = {context.get("COMPOSE_PROJECT_NAME", "") for context in contexts}
    name = root.get("name")
    found = {expanded(name.value, context) for context in contexts} if name else {prefix}
    if name and len(others) > 1:
        return "COMPOSE_PROJECT_NAME differs between the environments"
    if len(found) > 1:
        return f"`name: {name.value if name else ''}` differs between the environments"
    project = (max(others) if name else "") or found.pop()
    if not _VALID.fullmatch(project):
        return f"Compose takes no project of the name `{project}`"
    rival = max(others - {project}, default="")
    return Used(project, prefix, contexts, formulas, tuple(by_environment), rival or None)


def environments_served(evidence: Evidence) -> Iterator[str]:
    """Give the project's own environment, then the others that it has files for."""
    said = _merged(evidence, (".env",)).get("ENV")
    word = (said.value or "").strip() if said else ""
    own = _SPELLINGS.get(word, word)
    known = environments(n for n in env_files(evidence) if role(n) == "live")
    own = own if own in known else "dev"
    yield own
    for name in known:
        if name != own and evidence.text(f".env.{name}") is not None:
            yield name


def _merged(evidence: Evidence, names: tuple[str, ...]) -> dict[str, Assignment]:
    return {
        assignment.key: assignment
        for name in names
        for assignment in assignments(evidence.text(name) or "", "v1")
    }


def _complete(values: Values, prefix: str, formulas: Values) -> Values:
    """Add what v1's start computed in every environment, if no file says it."""
    known = {key: value for key, value in values.items() if value or key != "PROJECT_NAME"}
    known.setdefault("PROJECT_NAME", prefix)
    known.setdefault("DOCKER_NETWORK", f"{prefix}_network")
    for name, formula in formulas.items():
        if "${" in formula:
            known.setdefault(name, expanded(formula, known))
    return known


def _built_for(text: str, root: Node) -> str | None:
    """Give the project that the file itself names: header, network, or 0.1's containers."""
    for line in lines_of(text)[:8]:
        if found := _HEADER_PROJECT.match(line):
            return found[1]
    networks = root.get("networks")
    names = [key.value for key, _ in networks.pairs] if networks else []
    named = [name for name in names if name.endswith("_network") and "$" not in name]
    if len(named) == 1:
        return named[0].removesuffix("_network") or None
    return e1_prefix(root)
