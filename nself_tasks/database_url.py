"""PURE: reads a Postgres URL as libpq does, and fills in what libpq would take from `PG*`.

postgres://ada@db/shop  ->  postgres://ada@db:5432/shop
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from nself_tasks.errors import UsageError

COMPOSE_HOST = "postgres"
"""The database's service in every ɳSelf compose file; no host of that name outside of it."""
DEFAULT_PORT = "5432"

# libpq ends the user at the first colon and the password at the first @, before any slash.
_URL = re.compile(
    r"(?P<scheme>postgres(?:ql)?)://"
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<hosts>[^@/?]*)"
    r"(?:/(?P<dbname>[^@/?]*))?"
    r"(?:\?(?P<query>.*))?"
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::(?P<port>\d*))?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):")
_KEYWORDS = re.compile(r"\s*[a-z_]+\s*=")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The parts of a URL, percent-encoded as written."""

    scheme: str
    user: str
    password: str | None
    hosts: str
    """`host:port`, several of them with commas."""
    dbname: str
    query: str

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.hosts}/{self.dbname})"

    def __str__(self) -> str:
        login = self.user if self.password is None else f"{self.user}:{self.password}"
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{login + '@' if login else ''}{self.hosts}/{self.dbname}{query}"

    @property
    def is_compose_internal(self) -> bool:
        """Whether the host is one that only the compose network knows."""
        return self.hosts.partition(":")[0] == COMPOSE_HOST


def parse(url: str, source: str, *, default_user: str) -> DatabaseUrl:
    """Read a URL and make host, port, user and database explicit.

    Raises UsageError, which never shows the URL: a malformed one has its password anywhere.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise _refused(url, source)
    for bad, why in (
        (r"[\x00-\x20\x7f]", "it holds a space or a control character"),
        (r"%(?![0-9A-Fa-f]{2})|%00", "a % is not followed by two hex digits"),
    ):
        if re.search(bad, url):
            raise _malformed(source, why)
    asked = {pair.partition("=")[0] for pair in (found["query"] or "").split("&")}
    user = found["user"] or ("" if "user" in asked else quote(default_user, safe=""))
    return DatabaseUrl(
        scheme=found["scheme"],
        user=user,
        password=found["password"],
        hosts=_explicit_hosts(found["hosts"], asked, source),
        # libpq's own default: a database of the user's name.
        # Encoded anew: what may stand in a user name, a `?` say, would end the database's.
        dbname=found["dbname"]
        or ("" if asked & {"dbname", "user"} else quote(unquote_to_bytes(user), safe="")),
        query=found["query"] or "",
    )


def _explicit_hosts(hosts: str, asked: set[str], source: str) -> str:
    if not hosts and not asked & {"host", "hostaddr"}:
        raise UsageError(
            f"the database URL ({source}) names no host",
            hint="write the host into it, or `?host=/var/run/postgresql` for a local socket",
        )
    explicit = []
    for part in hosts.split(",") if hosts else []:
        found = _HOST.fullmatch(part)
        if found is None or (found["port"] and not 0 < int(found["port"][:6]) < 65536):
            raise _malformed(source, "host or port make no sense")
        port = found["port"] or ("" if "port" in asked else DEFAULT_PORT)
        explicit.append(f"{found['host']}:{port}" if port else found["host"])
    return ",".join(explicit)


def _refused(url: str, source: str) -> UsageError:
    scheme = _SCHEME.match(url)
    if scheme and scheme[1] not in ("postgres", "postgresql"):
        return UsageError(
            f"the database URL ({source}) is no Postgres URL, it begins with `{scheme[1]}:`",
            hint="it has to begin with `postgresql://`",
        )
    if scheme is None and _KEYWORDS.match(url):
        return UsageError(
            f"the database URL ({source}) is a keyword string, only URLs are accepted",
            hint="write it as `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`",
        )
    if scheme is None:
        return UsageError(
            f"the database URL ({source}) does not begin with `postgresql://`",
            hint="write it as `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`",
        )
    return _malformed(source, "its parts cannot be told apart")


def _malformed(source: str, why: str) -> UsageError:
    return UsageError(
        f"the database URL ({source}) is malformed: {why}",
        hint="percent-encode @ : / ? # % and spaces in user name and password (@ is %40, / is %2F)",
    )
