"""Every value that must not leave this machine with a request: all env files, the process, URLs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from nself_tasks.errors import NselfError
from nself_tasks.project import read_small
from nself_tasks.rewriting import dotenv
from nself_tasks.secrets import but_words, is_secret_key

if TYPE_CHECKING:
    from nself_tasks.settings import Settings


def known_secrets(settings: Settings) -> tuple[str, ...]:
    """Give the secrets of all environments, not only of the one that is worked on."""
    found = [*_within(settings.environ), *_within(settings.cascade.values)]
    folders = dict.fromkeys((settings.project.root, settings.project.repo_root))
    for path in (path for folder in folders for path in sorted(folder.glob(".env*"))):
        # What cannot be read cannot be in the schema by our doing; the cascade's own files raise.
        with suppress(NselfError):
            values = dotenv.read(read_small(path) or "").assignments
            found += _within({each.key: each.value or "" for each in values})
    if url := settings.database_url:
        found += _within({"DATABASE_URL": url})
    return but_words(dict.fromkeys(found), settings.public_words)


def _within(values: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        if value and is_secret_key(key):
            yield value
        if "://" in value:
            with suppress(ValueError):
                password = urlsplit(value).password or ""
                yield from {password, unquote(password)} - {""}
