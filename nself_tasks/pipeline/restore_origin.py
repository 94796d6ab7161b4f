"""Whether a backup is from the server that it is restored to: its dump is SQL, and will run there.

A manifest and its checksums lie beside the dump, so they prove nothing of where it is from. What a
stranger cannot write is the identity of this server: only who has asked it knows that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nself_tasks.pipeline.database_restoration import DatabaseRestoration

_USER = "SELECT session_user, rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user"


def is_of_this_server(restoration: DatabaseRestoration) -> bool:
    """Tell whether the backup names the server that it is restored to; False in doubt."""
    assert restoration.backup.database is not None
    named, _, _ = str(restoration.backup.database["identity"]).rpartition("-")
    # `unknown` is what a server is called that does not tell who it is.
    return named == restoration.system and named.isdecimal()


def warning(restoration: DatabaseRestoration) -> tuple[str, str]:
    """Give what a backup of who knows where does when it is restored, in two parts: what it is,
    and what its SQL may do."""
    row = restoration.server.execute(_USER).fetchone()
    assert row is not None
    user, superuser = row
    rights = f"the rights of `{user}`"
    if superuser:
        rights += ", a superuser, who may start programs on the server's machine"
    return (
        f"nothing ties the backup {restoration.backup.id} to this server: whoever made its dump",
        f"writes SQL that runs with {rights}",
    )
