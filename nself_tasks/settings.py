"""Flags, process environment and env files become one frozen `Settings`; nobody else reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from nself_tasks import environments
from nself_tasks.compose_target import through_stack
from nself_tasks.discovery import Project
from nself_tasks.environments import Cascade, Era
from nself_tasks.errors import NselfError, UsageError
from nself_tasks.evidence import project_era
from nself_tasks.intent import read_intent
from nself_tasks.model import Environment, Target
from nself_tasks.plugins import plugins_folder
from nself_tasks.project import find_project, with_migrations
from nself_tasks.retention import keep_count
from nself_tasks.secrets import but_words
from nself_tasks.targets import resolve_target

__all__ = ["Settings", "load", "resolve_target"]


@dataclass(frozen=True)
class Settings:
    """What one command was asked to do, where, and how to talk about it."""

    project: Project
    environment: Environment
    era: Era
    """The layout of the project, which decides the order of its env files."""
    own_environment: str | None = None
    """What ENV in `.env` says, in its usual spelling: what this checkout is."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The process environment. Programs and hosts (NSELF_PG_BINDIR, AI endpoints) come from here
    and never from `cascade`: a cloned project must not choose what we execute."""
    database_url: str | None = field(default=None, repr=False)
    """`--database-url` as given."""
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"
    """auto, always or never."""
    via: str | None = None
    """`--via`: `compose`, or None for a connection from here."""
    offline: bool = False
    """No model is asked, whatever is configured."""

    @property
    def migrations_dir(self) -> Path:
        """The folder of the migrations, which may be missing."""
        return self.project.migrations_dir

    @cached_property
    def cascade(self) -> Cascade:
        """The environment's files, read once when first asked for; raises InputError."""
        return environments.cascade(self.project, self.environment, self.era, self.environ)

    @property
    def project_name(self) -> str | None:
        """PROJECT_NAME of the env files; a folder's name would differ from clone to clone."""
        return self.cascade.values.get("PROJECT_NAME") or None

    @cached_property
    def backup_keep(self) -> int:
        """How many backups of each database stay, 0 for all; raises UsageError, InputError."""
        return keep_count(self.environ, self.cascade.values)

    @cached_property
    def target(self) -> Target:
        """The database that is meant; raises what `resolve_target` raises."""
        target = resolve_target(self)
        return through_stack(target, self) if self.via else target

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What no output may show; an env file that cannot be read is the command's to report."""
        found: set[str] = set()
        with suppress(NselfError, ValueError):
            found.update(self.cascade.secrets)
        with suppress(NselfError, ValueError):
            password = urlsplit(self.target.url or "").password or ""
            found |= {password, unquote(password)}
        return but_words(sorted(found - {""}), self.public_words)

    @cached_property
    def public_words(self) -> frozenset[str]:
        """Names that everything shows: of the project, its folders, its database and its role."""
        found = set(self.project.root.parts)
        with suppress(NselfError, ValueError):
            values = self.cascade.values
            found |= {values.get(key, "") for key in _PUBLIC}
        with suppress(NselfError, ValueError):
            url = urlsplit(self.target.url or "")
            found |= {unquote(url.username or ""), unquote(url.path.strip("/"))}
        return frozenset(found - {""})


_PUBLIC = ("PROJECT_NAME", "POSTGRES_DB", "POSTGRES_USER")


def load(options: Mapping[str, Any], environ: Mapping[str, str], cwd: Path) -> Settings:
    """Give the settings; raises UsageError for what cannot mean anything.

    Options: project, plugins_dir, env, migrations_dir, database_url, json, quiet, verbose, color,
    offline; all may be missing. Paths given as flags are relative to `cwd`, NSELF_MIGRATIONS_DIR to
    the repository root. No database is looked for: see `resolve_target`.
    """
    project = _project(options, environ, cwd)
    era = _era(project)
    own = environments.own_environment(project, environ)
    environment = (
        Environment("dev")
        if project.scope == "plugins"
        else environments.choose(options.get("env"), environ, own, era)
    )
    url = options.get("database_url")
    if url is not None and not url.strip():
        # An unset variable in a script must not mean "the database of the project's files".
        raise UsageError("`--database-url` is empty", hint="give the URL, or leave the flag out")
    if not (url or environ.get("DATABASE_URL")):
        environments.require_file(project, environment)
    return Settings(
        project=project,
        environment=environment,
        era=era,
        own_environment=environments.spelled(own) if own else None,
        environ=environ,
        database_url=url,
        via=options.get("via"),
        json=bool(options.get("json")),
        quiet=bool(options.get("quiet")),
        verbose=bool(options.get("verbose")),
        color=_color(options.get("color"), environ),
        offline=bool(options.get("offline")) or environ.get("NSELF_OFFLINE") in ("1", "true"),
    )


def _project(options: Mapping[str, Any], environ: Mapping[str, str], cwd: Path) -> Project:
    """Give the project that is meant, or the folder of plugins. Raises UsageError."""
    home = Path(environ["HOME"]) if environ.get("HOME") else None
    if (folder := options.get("plugins_dir")) is not None:
        for name in ("project", "env", "migrations_dir", "database_url", "via"):
            if options.get(name) is not None:
                flag = name.replace("_", "-")
                raise UsageError(
                    f"`--plugins-dir` works on that folder alone, `--{flag}` means a project's",
                    hint="give one of them",
                )
        if not folder.strip():
            # An unset variable in a script must not mean the folder that it runs in.
            raise UsageError("`--plugins-dir` is empty", hint="name the folder of the plugins")
        return plugins_folder(cwd / folder, home=home)
    explicit = options.get("project")
    project = find_project(cwd, cwd / explicit if explicit else None, home=home)
    if home and os.path.realpath(home) == os.path.realpath(project.root):
        project = replace(project, scope="home")
    if folder := options.get("migrations_dir"):
        return with_migrations(project, cwd / folder)
    if folder := environ.get("NSELF_MIGRATIONS_DIR"):
        return with_migrations(project, project.repo_root / folder)
    return project


def _era(project: Project) -> Era:
    """Give the layout, which decides the order of the env files; one that is half installed keeps
    the order that it had until the last file is in place."""
    try:
        intent = read_intent(project)
    except NselfError:
        # `rollback --files` mends it, and needs the settings for that.
        intent = None
    return "v1" if intent is not None and intent.era == "v1" else project_era(project)


def _color(option: str | None, environ: Mapping[str, str]) -> str:
    """Give auto, always or never; NO_COLOR (no-color.org) only yields to a flag."""
    return option or ("never" if environ.get("NO_COLOR") else "auto")
