"""Which environment is meant, and what its env files say together.

v1   .env.dev  .env.local|.env.staging  .env.prod  .env.secrets  .env          last one wins
v2   .env  .env.<name>  .env.secrets  .env.local
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nself_tasks.discovery import Project
from nself_tasks.errors import UsageError
from nself_tasks.intent import env_file
from nself_tasks.model import Environment
from nself_tasks.project import read_small
from nself_tasks.rewriting import dotenv
from nself_tasks.secrets import is_secret_key

Era = Literal["v1", "v2"]

_SPELLINGS = {
    "development": "dev",
    "develop": "dev",
    "devel": "dev",
    "production": "prod",
    "stage": "staging",
}
_KNOWN = ("dev", "staging", "prod")
_VALID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NO_ENVIRONMENTS = frozenset(
    {"ai", "bak", "computed", "example", "local", "runtime", "sample", "secrets", "template"}
)
"""Names of `.env.<name>` files that are something else."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """The env files of one environment, merged."""

    values: Mapping[str, str] = field(repr=False)
    """With variables expanded."""
    sources: Mapping[str, str]
    """The file that each key's value is from, as shown to people."""
    files: tuple[str, ...]
    """The files that were looked for, weakest first."""
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Lines that mean nothing."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of secret-named keys, for `secrets.mask`."""
        return tuple(value for key, value in self.values.items() if is_secret_key(key) and value)


def choose(
    option: str | None, environ: Mapping[str, str], own: str | None, era: Era
) -> Environment:
    """Give the environment that is meant; `own` is what ENV in `.env` says.

    `--env`, then in v1 TARGET_ENV, NSELF_ENV, ENV in `.env`, $ENV; in v2 $ENV, ENV in `.env`; else
    dev. Raises UsageError for what cannot be a name.
    """
    process = (_shell_safe(environ.get("ENV")), "$ENV")
    file = (own, "ENV in .env")
    candidates: list[tuple[str | None, str]]
    if option is not None:
        candidates = [(option or " ", "--env")]
    elif era == "v1":
        first = [(environ.get(name), f"${name}") for name in ("TARGET_ENV", "NSELF_ENV")]
        candidates = [*first, file, process]
    else:
        candidates = [process, file]
    for value, source in candidates:
        if value:
            return Environment(canonical(value, source), source)
    return Environment("dev", "default")


def spelled(name: str) -> str:
    """Give the one spelling of an environment's name: production is prod."""
    name = name.strip().lower()
    return _SPELLINGS.get(name, name)


def canonical(name: str, source: str) -> str:
    """Give the one spelling of an environment's name; raises UsageError where it can be none."""
    name = spelled(name)
    if not _VALID.fullmatch(name) or name in _NO_ENVIRONMENTS:
        raise UsageError(
            f"`{name[:64]}` ({source}) is no name of an environment",
            hint="dev, staging, prod, or the name of an `.env.<name>` file",
        )
    return name


def require_file(project: Project, environment: Environment) -> None:
    """Raise UsageError for a name of one's own without its file: a typo must not become one."""
    file = f".env.{environment.name}"
    if environment.name in _KNOWN or (project.root / file).is_file():
        return
    raise UsageError(
        f"there is no environment `{environment.name}` ({environment.source}):"
        f" `{project.shown(project.root / file)}` does not exist",
        hint="use dev, staging or prod, or create that file",
    )


def own_environment(project: Project, environ: Mapping[str, str]) -> str | None:
    """Give what ENV in `.env` says, as written."""
    return _merged(project, (".env",), environ).values.get("ENV") or None


def cascade(
    project: Project,
    environment: Environment,
    era: Era,
    environ: Mapping[str, str],
) -> Cascade:
    """Read and merge the env files; raises InputError for a file that cannot be one.

    NSELF_LEGACY_ENV_ORDER=1 in the process environment brings back the order of Go 1.0 to 1.2.
    """
    legacy = environ.get("NSELF_LEGACY_ENV_ORDER") == "1"
    return _merged(project, order(environment.name, era, legacy=legacy), environ)


def order(name: str, era: Era, *, legacy: bool = False) -> tuple[str, ...]:
    """Give the env files of an environment, the weakest first."""
    # Neither generator wrote `.env.<own name>` before v2; it takes the place of .env.staging.
    stage = f".env.{name}"
    if era == "v1":
        between = {
            "dev": (".env.local",),
            "prod": (".env.staging", ".env.prod", ".env.secrets"),
        }.get(name, (stage,))
        return (".env.dev", *between, ".env")
    if legacy:
        between = () if name == "dev" else (stage,)
        return (".env.dev", *between, ".env.secrets", ".env.local", ".env", ".env.ai")
    return (".env", stage, ".env.secrets", ".env.local")


def _merged(project: Project, names: tuple[str, ...], environ: Mapping[str, str]) -> Cascade:
    merged: dict[str, dotenv.Assignment] = {}
    sources: dict[str, str] = {}
    missing: list[str] = []
    notes: list[str] = []
    for name in names if project.scope != "plugins" else ():
        shown = str(project.shown(project.root / name))
        text = read_small(env_file(project, name))
        if text is None:
            missing.append(shown)
            continue
        found = dotenv.read(text)
        notes += [f"{shown}:{problem.line}: {problem.message}" for problem in found.problems]
        for assignment in found.assignments:
            # A bare `KEY` takes the process's value, and means nothing where it has none.
            if assignment.value is not None or assignment.key in environ:
                merged[assignment.key] = assignment
                sources[assignment.key] = shown
    values = dotenv.interpolate(merged, environ)
    files = tuple(str(project.shown(project.root / name)) for name in names)
    return Cascade(values, sources, files, tuple(missing), tuple(notes))


def _shell_safe(value: str | None) -> str | None:
    """Drop an ENV that is a path: POSIX shells keep the name of their start-up file there."""
    return None if value and "/" in value else value
