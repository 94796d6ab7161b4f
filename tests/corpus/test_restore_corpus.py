"""Real projects' schemas: backup, loss, restore gives an equal catalog and equal rows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import catalogs
import psycopg
import pytest
from restores_for_tests import name_of
from servers_for_tests import Nself, Project, ScratchServer
from test_replay import FOLDERS

from nself_tasks.database.servers.binaries import Installation

pytestmark = pytest.mark.corpus

LAST = "CREATE TABLE lost_again (x int);"
LATER = "99999999999999"
NEEDS_OTHERS = (
    "acamarata-nself-app@v1/backend/postgres/migrations",
    "basejump/supabase/migrations",
    "hasura-sample-apps/tic-tac-toe-react/hasura/migrations/default",
    "nhost-hasura-auth/go/migrations/postgres",
    "nself-org-task@v1-1c7af61/backend/postgres/migrations",
    "nself-org-task@v2-760dadb/backend/postgres/migrations",
)
"""Folders whose first file needs tables, roles or a schema that it does not make: nothing applies,
as with the extensions that a server has not."""
# A server writes `state IN ('a', 'b')` over a varchar in one way, and what it reads back of that in
# another: any dump that is restored shows it, and it means the same.
_WRITTEN_ONCE = re.compile(r"ANY \(\(ARRAY\[([^]]*)\]\)::text\[\]\)")
LOSE_EVERYTHING = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'
    AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', name);
  END LOOP;
END $$
"""


def as_reread(schema: str) -> str:
    """Give a schema as it is written once it has been restored."""

    def each(found: re.Match[str]) -> str:
        return "ANY (ARRAY[" + ", ".join(f"({one})::text" for one in found[1].split(", ")) + "])"

    return _WRITTEN_ONCE.sub(each, schema)


@pytest.fixture
def tidy(database: str, server: ScratchServer) -> Iterator[None]:
    """Drop what a restore has kept."""
    yield
    with psycopg.connect(server.url, autocommit=True) as connection:
        asked = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
        for (name,) in connection.execute(asked, (name_of(database),)).fetchall():
            server.drop_database(name)


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_schema_that_is_lost_is_restored_as_it_was(
    corpus: Path,
    folder: str,
    nself: Nself,
    project: Project,
    database: str,
    tools: Installation,
) -> None:
    shutil.copytree(corpus / folder, project.migrations, dirs_exist_ok=True)
    # As far as the files apply on this server; the next run is backed up before it does a thing.
    ran = nself("run", "--skip-backup", "--json").json()
    lacks = ran["error"] and "is not available" in ran["error"]["message"]
    assert bool(ran["applied"]) != (folder in NEEDS_OTHERS or bool(lacks)), ran["error"]
    before = catalogs.contents(database, tools)
    if all(path.is_dir() for path in project.migrations.iterdir()):
        project.write(f"backend/migrations/{LATER}_last/up.sql", LAST)
    else:
        project.migration(LATER, "last", LAST)
    again = nself("run", "--json").json()
    assert (again["exit_code"], again["applied"]) == ((1, []) if ran["error"] else (0, [LATER]))
    backup = again["backup"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(LOSE_EVERYTHING)
    assert catalogs.contents(database, tools).schema != before.schema
    done = nself("backups", "restore", backup, "--json")
    assert done.code == 0, done.err
    after = catalogs.contents(database, tools)
    assert as_reread(after.schema).splitlines() == as_reread(before.schema).splitlines()
    assert replace(after, size=0, schema="") == replace(before, size=0, schema="")
