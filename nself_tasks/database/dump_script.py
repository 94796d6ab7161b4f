"""What the script of a dump says, and which of its statements are about the database itself.

    CREATE DATABASE shop WITH …     becomes     CREATE DATABASE shop_restore_… WITH …
    ALTER DATABASE shop SET …       likewise; so do its comment, rights and connection limit

`pg_restore --create` would do all of this under the name in the dump, and under no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nself_tasks.database import privileged

_NAME = r'"(?:[^"]|"")*"|[^\s;,()"]+'
_PIECE = re.compile(
    r"--[^\n]*\n?"
    r"|'(?:[^']|'')*'"
    r'|"(?:[^"]|"")*"'
    r"|(?P<tag>\$[A-Za-z0-9_]*\$).*?(?P=tag)"
    r"|(?P<end>;)"
    r"|(?P<command>\\[^\n]*\n)"
    r"|[^'\"$;\\-]+"
    r"|.",
    re.DOTALL,
)
_OF_DATABASE = re.compile(
    rf"(?:CREATE|ALTER|COMMENT\s+ON|ALTER\s+ROLE\s+(?:{_NAME})\s+IN"
    rf"|SECURITY\s+LABEL(?:\s+FOR\s+(?:{_NAME}))?\s+ON|(?:GRANT|REVOKE)\s[A-Z, ]+?\sON)"
    rf"\s+DATABASE\s+(?P<name>{_NAME})"
)
_OWNER = re.compile(rf"\bOWNER TO (?P<roles>{_NAME})$")
_AUTHORIZATION = re.compile(rf"^SET SESSION AUTHORIZATION (?P<roles>{_NAME}|'(?:[^']|'')*')$")
_DEFAULT_PRIVILEGES = re.compile(rf"^ALTER DEFAULT PRIVILEGES FOR ROLE (?P<roles>{_NAME})")
_ROLES = (
    _OWNER,
    _AUTHORIZATION,
    re.compile(rf"^ALTER ROLE (?P<roles>{_NAME}) IN DATABASE\b"),
    _DEFAULT_PRIVILEGES,
    re.compile(rf"^CREATE USER MAPPING FOR (?P<roles>{_NAME})"),
    re.compile(
        rf"^(?:ALTER DEFAULT PRIVILEGES|GRANT|REVOKE)\b.*\s(?:TO|FROM)\s+"
        rf"(?P<roles>(?:{_NAME})(?:\s*,\s*(?:{_NAME}))*)(?: WITH [A-Z ]+)?$",
        re.DOTALL,
    ),
    re.compile(
        rf"^CREATE POLICY\b.*?\sTO (?P<roles>(?:{_NAME})(?:, (?:{_NAME}))*)"
        r"(?=\s+(?:USING|WITH CHECK)\b|$)",
        re.DOTALL,
    ),
)
_NO_ROLES = {"PUBLIC", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE"}
_EXTENSION = re.compile(rf"^CREATE EXTENSION (?:IF NOT EXISTS )?(?P<name>{_NAME})")
_TABLESPACES = (
    re.compile(r"^SET default_tablespace = (?P<name>'(?:[^']|'')*'|[^\s']+)$"),
    re.compile(rf"^CREATE DATABASE .* TABLESPACE = (?P<name>{_NAME})", re.DOTALL),
)


@dataclass(slots=True)
class DumpScript:
    """What a dump wants of a server, and how its database itself is made."""

    create: str = ""
    owner: str = ""
    comment: str = ""
    """The statement that gives the database its comment, or nothing."""
    properties: list[str] = field(default_factory=list)
    """Settings, rights, limits and labels of the database, in their order."""
    roles: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    """The roles for which whoever restores has to act: as their member, or as a superuser."""
    authorizations: set[str] = field(default_factory=set)
    """The roles that SET SESSION AUTHORIZATION names."""
    privileged: dict[str, list[str]] = field(default_factory=dict)
    """What only a superuser may make, with the statements in short."""
    extensions: set[str] = field(default_factory=set)
    tablespaces: set[str] = field(default_factory=set)


def read(script: str) -> DumpScript:
    """Give what a script of `pg_restore --create --schema-only` says of database and server."""
    found, authorization = DumpScript(), ""
    for statement in statements(script):
        _note_needs(found, statement)
        if statement.startswith("SET SESSION AUTHORIZATION"):
            authorization = statement
        elif statement == "RESET SESSION AUTHORIZATION":
            authorization = ""
        if not _OF_DATABASE.match(statement):
            continue
        if statement.startswith("CREATE DATABASE"):
            found.create = statement
        elif statement.startswith("ALTER DATABASE") and " OWNER TO " in statement:
            found.owner = statement
        elif statement.startswith("COMMENT ON DATABASE"):
            found.comment = statement
        elif authorization:
            # Rights that somebody else than the owner gave stay his gift.
            found.properties += [authorization, statement, "RESET SESSION AUTHORIZATION"]
        else:
            found.properties.append(statement)
    return found


def statements(script: str) -> Iterator[str]:
    """Give the statements of a script that pg_restore wrote, psql's own commands left out."""
    pieces: list[str] = []
    for match in _PIECE.finditer(script):
        if match["end"]:
            yield "".join(pieces).strip()
            pieces = []
        elif match["command"] is None and not match[0].startswith("--"):
            pieces.append(match[0])


def renamed(statement: str, name: str) -> str:
    """Give a statement about a database as one about the database `name`."""
    found = _OF_DATABASE.match(statement)
    if found is None:
        return statement
    start, end = found.span("name")
    return statement[:start] + quoted(name) + statement[end:]


def quoted(name: str) -> str:
    """Give a name as SQL takes it whatever signs it has."""
    return '"' + name.replace('"', '""') + '"'


def _note_needs(found: DumpScript, statement: str) -> None:
    if extension := _EXTENSION.match(statement):
        found.extensions.add(_plain(extension["name"]))
    for pattern in _TABLESPACES:
        if (match := pattern.match(statement)) and (name := _plain(match["name"])):
            found.tablespaces.add(name)
    if kind := privileged.kind_of(statement):
        found.privileged.setdefault(kind, []).append(privileged.shown(statement))
    for pattern in _ROLES:
        if match := pattern.search(statement):
            names = re.findall(f"'(?:[^']|'')*'|{_NAME}", match["roles"])
            roles = {_plain(name) for name in names if name not in _NO_ROLES}
            found.roles |= roles
            if pattern in (_OWNER, _DEFAULT_PRIVILEGES):
                found.owners |= roles
            elif pattern is _AUTHORIZATION:
                found.authorizations |= roles
    found.tablespaces -= {"pg_default"}


def _plain(name: str) -> str:
    """Give a name without its quotes."""
    if name[:1] in ('"', "'"):
        return name[1:-1].replace(name[0] * 2, name[0])
    return name
