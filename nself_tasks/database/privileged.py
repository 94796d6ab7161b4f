"""Which statements of a dump only a superuser may run, whatever roles a user is a member of.

They stand among thousands, and `pg_restore` would come to them after the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nself_tasks.errors import Problem

if TYPE_CHECKING:
    from nself_tasks.database.connection import Conn
    from nself_tasks.database.dump_script import DumpScript

_FUNCTION = re.compile(
    r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\s(?:[^']|'(?:[^']|'')*+')*?"
    r"\n    LANGUAGE (?P<language>[^\s]+)(?P<rest>[^\n']*)"
)
"""As pg_dump writes it: the language begins a line of its own, before the body."""
_UNTRUSTED = re.compile(r"c|internal|pl\w+u")
_WIDE_PUBLICATION = "a publication of all tables or of a schema"
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("an event trigger", r"CREATE EVENT TRIGGER\s"),
        ("a foreign-data wrapper", r"(?:CREATE|ALTER) FOREIGN DATA WRAPPER\s"),
        (_WIDE_PUBLICATION, r"CREATE PUBLICATION\s[^;]*?\sFOR ALL TABLES\b"),
        (_WIDE_PUBLICATION, r"ALTER PUBLICATION\s[^;]*?\sADD TABLES IN SCHEMA\s"),
        ("a language", r"CREATE (?:OR REPLACE )?(?:TRUSTED )?(?:PROCEDURAL )?LANGUAGE\s"),
        ("a base type", r"CREATE TYPE\s\S+ \(\s+INTERNALLENGTH\b"),
        ("an operator class or family", r"CREATE OPERATOR (?:CLASS|FAMILY)\s"),
        ("an access method", r"CREATE ACCESS METHOD\s"),
        ("a cast without function", r"CREATE CAST\s[^;]*\sWITHOUT FUNCTION\b"),
        ("a parser or template of text search", r"CREATE TEXT SEARCH (?:PARSER|TEMPLATE)\s"),
    )
)

# Hosted services let their own administrators do some of it.
_ADMINISTERS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname IN
    ('rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin')
    AND pg_catalog.pg_has_role(session_user, oid, 'MEMBER'))
  OR coalesce(pg_catalog.current_setting('supautils.privileged_role', true), '') <> ''
"""


def kind_of(statement: str) -> str | None:
    """Give what a statement of a dump makes that only a superuser may make; None for others."""
    if function := _FUNCTION.match(statement):
        if _UNTRUSTED.fullmatch(function["language"]):
            return "a function in an untrusted language"
        return "a leakproof function" if " LEAKPROOF" in function["rest"] else None
    return next((kind for kind, pattern in _KINDS if pattern.match(statement)), None)


def shown(statement: str) -> str:
    """Give a statement in short."""
    text = " ".join(statement[:200].split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def problems(connection: Conn, script: DumpScript, user: str) -> list[Problem]:
    """Give what of a dump this user, who is no superuser, cannot run."""
    found = [
        Problem(
            f"only a superuser may act for `{role}` (SET SESSION AUTHORIZATION), whose grants are"
            " in the dump"
        )
        for role in sorted(script.authorizations - {user})
    ]
    row = connection.execute(_ADMINISTERS).fetchone()
    if row is None or not row[0]:
        found += _of_kinds(script.privileged.items())
    return found


def _of_kinds(privileged: Iterable[tuple[str, list[str]]]) -> list[Problem]:
    return [
        Problem(
            f"only a superuser may make {kind}: `{made[0]}`"
            + (f" and {len(made) - 1:,} more" if len(made) > 1 else "")
        )
        for kind, made in privileged
    ]
