"""Opens the database that the settings name: a URL, or the project's embedded server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nself_tasks.errors import ConnectionFailed
from nself_tasks.model import Target


@contextmanager
def open_target(target: Target, root: Path) -> Iterator[str]:
    """Give the URL of a target that may be written to; the embedded server runs meanwhile."""
    if target.embedded:
        from nself_tasks.database.servers.embedded import open_embedded

        with open_embedded(root) as url:
            yield url
        return
    with _reached(target, root) as url:
        yield url


@contextmanager
def open_for_planning(target: Target, root: Path) -> Iterator[str | None]:
    """Give a URL to look at and nothing else; None where the embedded database does not exist yet.

    A stopped embedded server is planned on a copy outside the project.
    """
    if target.embedded:
        from nself_tasks.database.servers.planning_copy import open_copy_for_planning

        with open_copy_for_planning(root) as url:
            yield url
        return
    with _reached(target, root) as url:
        yield url


@contextmanager
def _reached(target: Target, root: Path) -> Iterator[str]:
    """Give the URL of a configured target, or of a socket that leads to it through Compose."""
    if not target.via:
        yield _url(target)
        return
    from nself_tasks.database.compose_relay import through_container

    with through_container(target, root) as url:
        yield url


def _url(target: Target) -> str:
    if target.url is None:
        raise ConnectionFailed(
            target.source,
            hint="set DATABASE_URL, or give `--database-url`; `DATABASE_URL=embedded` uses a"
            " Postgres of the project's own",
            database="unchanged",
        )
    return target.url
