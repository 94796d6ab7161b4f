"""The flags of `run` and `rollback`: what they mean together, and what they become."""

from __future__ import annotations

import argparse

from nself_tasks.errors import UsageError
from nself_tasks.pipeline.options import Options


def chosen(options: argparse.Namespace) -> Options:
    """Give the flags of `run` or `rollback`; each has some that the other has not."""
    return Options(
        to=options.to,
        steps=getattr(options, "steps", None),
        down=getattr(options, "down", "auto"),
        atomic=getattr(options, "atomic", False),
        skip_backup=options.skip_backup,
        out_of_order=getattr(options, "out_of_order", False),
        relabel=getattr(options, "relabel", False),
        lock_wait=options.lock_wait,
        wait_for_db=options.wait_for_db,
        recorded=tuple(getattr(options, "recorded", ())),
        undecided=options.undecided,
        yes=options.yes,
        show_sql=options.sql,
        builder=getattr(options, "builder", "auto"),
        files_only=getattr(options, "files_only", False) or options.plugins_dir is not None,
        schema_only=getattr(options, "schema_only", False),
        only=tuple(getattr(options, "only", ())),
        skip=tuple(getattr(options, "skip", ())),
        hasura=options.hasura,
    )


_OF_A_PROJECT = (
    *(
        "to",
        "steps",
        "atomic",
        "out_of_order",
        "relabel",
        "undecided",
        "skip_backup",
        "schema_only",
    ),
    *("only", "skip", "sql", "offline"),
)
"""What a folder of plugins has not: a database, and several kinds of artifact."""


def _check_plugins(options: argparse.Namespace) -> None:
    for name in _OF_A_PROJECT:
        if getattr(options, name, None):
            raise UsageError(
                f"`--plugins-dir` has neither a database nor other kinds than plugins, and"
                f" `--{name.replace('_', '-')}` is about them",
                hint="give one of them",
            )
    if options.command == "rollback" and not (options.files or options.list):
        raise UsageError(
            "`rollback` undoes a migration, and `--plugins-dir` has none",
            hint="put its files back with `nself migrate rollback --files --plugins-dir DIR`",
        )


def check(options: argparse.Namespace) -> None:
    """Raise UsageError for flags that mean nothing together."""
    if options.plugins_dir is not None:
        _check_plugins(options)
    if getattr(options, "steps", None) and options.to is not None:
        raise UsageError("`--steps` and `--to` say two different things", hint="give one of them")
    if getattr(options, "files_only", False) and options.schema_only:
        raise UsageError(
            "`--files-only` and `--schema-only` leave nothing", hint="give one of them"
        )
    if getattr(options, "schema_only", False) and (options.only or options.skip):
        raise UsageError("`--only` and `--skip` choose files, `--schema-only` leaves them alone")
    for flag in ("sql", "offline", "diff"):
        if getattr(options, flag, False) and not options.dry_run:
            raise UsageError(f"`--{flag}` goes with `--dry-run`", hint="add `--dry-run`")
