"""The target as its own container knows it: what `--via compose` makes of a database URL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nself_tasks import database_url
from nself_tasks.compose_exec import stack_names, stack_of
from nself_tasks.database_url import COMPOSE_HOST, DEFAULT_PORT
from nself_tasks.errors import ConnectionFailed, UsageError
from nself_tasks.model import Target
from nself_tasks.secrets import mask_url

if TYPE_CHECKING:
    from nself_tasks.settings import Settings

_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "[::1]"})


def through_stack(target: Target, settings: Settings) -> Target:
    """Give the target reached through the stack's container; as it is where none is configured.

    Raises UsageError for a database that is not the stack's.
    """
    if target.embedded:
        raise UsageError(
            "`--via compose` goes to the stack's `postgres`, and the target is the embedded server",
            hint="leave one of them out",
        )
    if target.url is None:
        return target
    parts = database_url.parse(target.url, target.source, default_user="postgres")
    host, _, port = parts.hosts.rpartition(":")
    if host not in _THIS_MACHINE | {COMPOSE_HOST}:
        raise UsageError(
            f"`--via compose` goes to the stack's `postgres`, and {target.source} names the host"
            f" `{host or 'of a socket'}`",
            hint="leave `--via compose` out, or name the host `postgres`",
        )
    # The published port is this machine's; in the container the server has its own.
    inner = replace(parts, hosts=f"{COMPOSE_HOST}:{port if host == COMPOSE_HOST else DEFAULT_PORT}")
    shown = f"{mask_url(str(inner))} via compose"
    return replace(target, url=str(inner), shown=shown, via=stack_names(settings))


def with_way_in(settings: Settings, error: ConnectionFailed) -> ConnectionFailed:
    """Give the error with `--via compose` in its hint, where nobody answers but the stack runs."""
    if error.facts.get("reachable") is not False or settings.via or settings.target.embedded:
        return error
    try:
        through_stack(settings.target, settings)
    except UsageError:
        return error
    if stack_of(settings) is not None:
        error.hint = (
            f"{error.hint}; the Compose stack's `postgres` runs: `--via compose` goes through it"
        )
    return error
