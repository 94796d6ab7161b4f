"""Real projects' folders: `run` gives the catalog that psql gives, and stops where psql stops."""

from __future__ import annotations

from pathlib import Path

import catalogs
import pytest
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.database.servers.binaries import Installation

pytestmark = pytest.mark.corpus

PLUGINS = "nself-org-plugins@head/free"
OLDER_PLUGINS = "nself-org-plugins@v1.0.0/free"
FOLDERS = [
    "acamarata-nself-app@v1/backend/postgres/migrations",
    "acamarata-nself-family@v1/backend/db/migrations",
    "basejump/supabase/migrations",
    "hasura-learn-graphql/services/backend/hasura/migrations/default",
    "hasura-learn-graphql/tutorials/frontend/dotnet-mvc/hasura/migrations/default",
    "hasura-learn-graphql/tutorials/frontend/nextjs/hasura/migrations/default",
    "hasura-sample-apps/tic-tac-toe-react/hasura/migrations/default",
    "homarr/packages/db/migrations/postgresql",
    "nhost-hasura-auth/go/migrations/postgres",
    "nself-org-clawde/intelligence/migrations",
    "nself-org-cli@v0.9.9/src/database/migrations",
    f"{PLUGINS}/audit-log/migrations",
    f"{PLUGINS}/backup/migrations",
    f"{PLUGINS}/content-acquisition/migrations",
    f"{PLUGINS}/content-progress/migrations",
    f"{PLUGINS}/cron/migrations",
    f"{PLUGINS}/donorbox/migrations",
    f"{PLUGINS}/e2ee/migrations",
    f"{PLUGINS}/feature-flags/migrations",
    f"{PLUGINS}/github/migrations",
    f"{PLUGINS}/invitations/migrations",
    f"{PLUGINS}/jobs/migrations",
    f"{PLUGINS}/link-preview/migrations",
    f"{PLUGINS}/mdns/migrations",
    f"{PLUGINS}/notifications/migrations",
    f"{PLUGINS}/notify/migrations",
    f"{PLUGINS}/ollama/migrations",
    f"{PLUGINS}/paypal/migrations",
    f"{PLUGINS}/push/migrations",
    f"{PLUGINS}/search/migrations",
    f"{PLUGINS}/subtitle-manager/migrations",
    f"{PLUGINS}/tokens/migrations",
    f"{PLUGINS}/torrent-manager/migrations",
    f"{PLUGINS}/vpn/migrations",
    f"{PLUGINS}/webhooks/migrations",
    f"{OLDER_PLUGINS}/content-acquisition/migrations",
    f"{OLDER_PLUGINS}/feature-flags/migrations",
    f"{OLDER_PLUGINS}/github/migrations",
    f"{OLDER_PLUGINS}/invitations/migrations",
    f"{OLDER_PLUGINS}/link-preview/migrations",
    f"{OLDER_PLUGINS}/search/migrations",
    f"{OLDER_PLUGINS}/webhooks/migrations",
    "nself-org-task@v1-1c7af61/backend/postgres/migrations",
    "nself-org-task@v2-760dadb/backend/postgres/migrations",
    "vercel-ai-chatbot/lib/db/migrations",
]
WITH_SECTION_MARKS = [
    "dbmate/testdata/db/migrations",
    "goose/examples/sql-migrations",
    "goose/testdata/migrations",
    "nself-org-nclaw/intelligence/migrations",
]


def test_every_folder_has_a_row_in_the_replay_table(corpus: Path) -> None:
    table = (corpus / "REPLAY.tsv").read_text(encoding="utf-8").splitlines()
    assert {*FOLDERS, *WITH_SECTION_MARKS} <= {row.split("\t")[0] for row in table}
    assert len(set(FOLDERS)) >= 35


@pytest.mark.parametrize("folder", FOLDERS)
def test_run_does_what_psql_does(
    corpus: Path,
    folder: str,
    nself: Nself,
    database: str,
    server: ScratchServer,
    tools: Installation,
) -> None:
    twin = server.create_database("twin_of_the_corpus")
    try:
        stop = catalogs.replay(twin, tools, corpus / folder)
        ran = nself("run", "--skip-backup", "--json", "--migrations-dir", str(corpus / folder))
        error = ran.json()["error"]
        assert (ran.code, bool(error)) == ((1, True) if stop else (0, False)), ran.out
        if stop:
            source = next(u for u in catalogs.ups(corpus / folder) if u.path.name == stop.file)
            facts = error["facts"]
            assert Path(facts["path"]).name == stop.file
            assert f"{stop.file}:{facts['line']}:" in error["message"]
            assert catalogs.number_of(source, facts["line"]) == stop.statement
            assert facts["server_message"] == stop.message
        assert catalogs.catalog(database, tools) == catalogs.catalog(twin, tools)
    finally:
        server.drop_database("twin_of_the_corpus")


@pytest.mark.parametrize("folder", WITH_SECTION_MARKS)
def test_files_of_both_directions_are_refused_by_line_before_anything_runs(
    corpus: Path, folder: str, nself: Nself, database: str, tools: Installation
) -> None:
    before = catalogs.catalog(database, tools)
    ran = nself("run", "--skip-backup", "--json", "--migrations-dir", str(corpus / folder))
    assert ran.code == 1
    assert any(
        "section mark" in p["message"] and p["line"] for p in ran.json()["error"]["problems"]
    )
    assert catalogs.catalog(database, tools) == before


def test_nothing_is_written_beside_the_files(corpus: Path, project: Project, nself: Nself) -> None:
    folder = corpus / FOLDERS[0]
    before = sorted(folder.rglob("*"))
    nself("run", "--skip-backup", "--migrations-dir", str(folder))
    assert sorted(folder.rglob("*")) == before
    assert (project.root / ".nself").is_dir()
