"""`backups restore`: through a fresh database, into the place of the right one, and back again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from observation import catalog, folder_tree, violations
from restores_for_tests import BackedUp, backed_up
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.sockets import with_database

HUNDRED = "SELECT count(*) FROM kept"


@pytest.fixture
def shop(
    project: Project, nself: Nself, database: str, server: ScratchServer
) -> Iterator[BackedUp]:
    with backed_up(project, nself, database, server) as found:
        yield found


@pytest.fixture
def clerk(shop: BackedUp) -> Iterator[str]:
    """A role that owns nothing and may log in."""
    name = f"clerk_{shop.name}"
    shop.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    with psycopg.connect(shop.server_url, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone():
            for database in shop.databases():
                with psycopg.connect(with_database(shop.server_url, database)) as inside:
                    inside.execute(f"DROP OWNED BY {name}")
            connection.execute(f"DROP ROLE {name}")


class TestItRestores:
    def test_what_was_lost_is_there_again_and_what_came_later_is_not(self, shop: BackedUp) -> None:
        shop.damage()
        done = shop.restore("--json")
        assert done.code == 0, done.err
        assert shop.rows(HUNDRED) == [100]
        assert shop.rows("SELECT to_regclass('damage'), to_regclass('later')") == [(None, None)]
        assert violations(done.json(), "restore") == []

    def test_the_old_database_is_kept_as_it_was_under_a_name_that_says_so(
        self, shop: BackedUp
    ) -> None:
        shop.damage()
        before = shop.oid()
        found = shop.restore("--json").json()
        assert (found["restored"], found["kept"]) == (shop.name, shop.kept)
        assert shop.databases() == [shop.name, shop.kept]
        assert (shop.oid(shop.kept), shop.oid() == before) == (before, False)
        kept = with_database(shop.url, shop.kept)
        assert shop.rows("SELECT to_regclass('damage')::text", kept) == ["damage"]

    def test_it_says_which_migrations_are_pending_again_and_run_applies_them(
        self, shop: BackedUp
    ) -> None:
        found = shop.restore("--json").json()
        assert (found["pending"], found["pending_again"]) == (["1"], ["1"])
        assert shop.nself("run", "--json").json()["applied"] == ["1"]

    def test_without_a_lost_migration_none_is_pending_again(self, shop: BackedUp) -> None:
        shop.project.migration("2", "b", "CREATE TABLE latest (x int);")
        newer = shop.nself("run", "--json").json()["backup"]
        found = shop.nself("backups", "restore", newer, "--json").json()
        assert (found["pending"], found["pending_again"]) == (["2"], ["2"])
        again = shop.nself("backups", "restore", newer, "--json").json()
        assert (again["pending"], again["pending_again"]) == (["2"], [])

    def test_the_databases_own_settings_rights_and_comment_come_back(
        self, shop: BackedUp, clerk: str
    ) -> None:
        name = f'"{shop.name}"'
        shop.execute(
            f"ALTER DATABASE {name} SET work_mem = '5MB'",
            f"ALTER DATABASE {name} CONNECTION LIMIT 77",
            f"ALTER ROLE {clerk} IN DATABASE {name} SET search_path = 'a', 'b'",
            f"REVOKE TEMP ON DATABASE {name} FROM PUBLIC",
            f"GRANT CREATE ON DATABASE {name} TO {clerk}",
            f"COMMENT ON DATABASE {name} IS 'DATABASE x; it''s\n\\connect y'",
        )
        before = described(shop)
        shop.project.migration("2", "b", "SELECT 2;")
        newer = shop.nself("run", "--json").json()["backup"]
        shop.execute(
            f"ALTER DATABASE {name} RESET ALL",
            f"ALTER DATABASE {name} CONNECTION LIMIT 3",
            f"COMMENT ON DATABASE {name} IS 'something else'",
        )
        assert shop.nself("backups", "restore", newer).code == 0
        assert described(shop) == before

    def test_a_name_that_needs_quotes_and_is_long_is_restored_like_any_other(
        self, project: Project, server: ScratchServer
    ) -> None:
        name = 'it\'s a "shop" ' + "ü" * 20
        url = server.create_database(name)
        nself = Nself(project.root, {"DATABASE_URL": url})
        with backed_up(project, nself, url, server) as shop:
            shop.damage()
            done = shop.restore()
            assert done.code == 0, done.err
            assert shop.rows(HUNDRED) == [100]
        nself.close()

    def test_restored_twice_each_old_database_has_a_name_of_its_own(self, shop: BackedUp) -> None:
        assert shop.restore().code == 0
        assert shop.restore("--json").json()["kept"] == f"{shop.kept}_2"
        assert shop.databases() == [shop.name, shop.kept, f"{shop.kept}_2"]

    def test_an_older_backup_still_counts_as_the_databases_own_after_a_restore(
        self, shop: BackedUp
    ) -> None:
        assert shop.restore().code == 0
        assert shop.restore().code == 0

    def test_so_it_does_where_nothing_is_remembered_but_the_old_databases_are_kept(
        self, shop: BackedUp
    ) -> None:
        for _ in range(3):
            assert shop.restore().code == 0
            shutil.rmtree(shop.project.root / ".nself" / "migrate")

    def test_and_where_the_old_databases_are_dropped_but_it_is_remembered(
        self, shop: BackedUp
    ) -> None:
        assert shop.restore().code == 0
        assert shop.restore("--drop-old").code == 0
        assert shop.restore().code == 0

    def test_with_neither_it_asks_for_the_name_of_the_target(self, shop: BackedUp) -> None:
        assert shop.restore().code == 0
        assert shop.restore("--drop-old").code == 0
        shutil.rmtree(shop.project.root / ".nself" / "migrate")
        assert "--replace" in shop.restore().err
        assert shop.restore("--replace", shop.name).code == 0

    def test_a_database_that_was_made_anew_is_not_the_one_that_a_restore_put_there(
        self, shop: BackedUp, server: ScratchServer
    ) -> None:
        assert shop.restore().code == 0
        server.drop_database(shop.name)
        server.create_database(shop.name)
        result = shop.restore("--json")
        assert (result.code, result.json()["error"]["code"]) == (1, "guard")

    def test_the_claim_of_an_unfinished_run_ends(self, shop: BackedUp) -> None:
        shop.project.migration("2", "b", "SELECT 1/0;")
        assert shop.nself("run").code == 1
        claim = shop.project.root / ".nself" / "migrate" / "unfinished.json"
        assert claim.exists()
        assert shop.restore().code == 0
        assert not claim.exists()

    def test_no_password_is_seen_and_no_talk_is_on_standard_output(self, shop: BackedUp) -> None:
        url = shop.url.replace("postgres@", "postgres:s3cret-of-mine@")
        done = shop.restore("--json", "--verbose", environment={"DATABASE_URL": url})
        assert done.code == 0
        assert "s3cret-of-mine" not in done.out + done.err
        assert done.json()["restored"] == shop.name


def described(shop: BackedUp) -> Any:
    """All that the server knows of the database but its identity."""
    return shop.rows(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype, datdba::regrole::text,"
        " datconnlimit, datistemplate, shobj_description(d.oid, 'pg_database'),"
        " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) AS a),"
        " (SELECT array_agg((setrole::regrole::text, setconfig)::text ORDER BY setrole)"
        "  FROM pg_db_role_setting WHERE setdatabase = d.oid)"
        " FROM pg_database d WHERE datname = current_database()"
    )


class TestInto:
    def test_a_new_database_is_made_and_the_target_is_left_alone(self, shop: BackedUp) -> None:
        shop.damage()
        before = shop.oid()
        other = f"{shop.name}_other"
        found = shop.restore("--into", other, "--json").json()
        assert (found["restored"], found["kept"], found["database"]) == (other, None, "unchanged")
        assert shop.rows(HUNDRED, with_database(shop.url, other)) == [100]
        assert (shop.oid(), shop.databases()) == (before, [shop.name, other])

    def test_sessions_on_the_target_are_in_nobodys_way(self, shop: BackedUp) -> None:
        with psycopg.connect(shop.url):
            assert shop.restore("--into", f"{shop.name}_other", "--lock-wait", "0").code == 0

    def test_a_database_that_was_dropped_is_made_again(
        self, shop: BackedUp, server: ScratchServer
    ) -> None:
        server.drop_database(shop.name)
        refused = shop.restore()
        assert (refused.code, "`--into NAME`" in refused.err) == (1, True)
        assert shop.restore("--into", shop.name).code == 0
        assert shop.rows(HUNDRED) == [100]

    def test_a_name_that_is_taken_is_refused(self, shop: BackedUp) -> None:
        result = shop.restore("--into", shop.name, "--json")
        assert (result.code, result.json()["error"]["code"]) == (1, "guard")
        assert shop.databases() == [shop.name]


class TestAnotherDatabase:
    @pytest.fixture
    def twin(self, shop: BackedUp, server: ScratchServer) -> str:
        """The URL of another database of the same server."""
        return server.create_database(f"{shop.name}_twin")

    def test_it_is_not_replaced(self, shop: BackedUp, twin: str) -> None:
        shop.execute("SELECT 1")
        result = shop.restore("--json", environment={"DATABASE_URL": twin})
        error = result.json()["error"]
        assert (result.code, error["code"], error["database"]) == (1, "guard", "unchanged")
        assert any(f"`{shop.name}_twin`" in p["message"] for p in error["problems"])
        for way_out in ("--into NAME", f"--replace {shop.name}_twin"):
            assert way_out in error["hint"]
        assert shop.databases() == [shop.name, f"{shop.name}_twin"]

    def test_it_is_replaced_by_who_gives_its_name(self, shop: BackedUp, twin: str) -> None:
        there = {"DATABASE_URL": twin}
        assert shop.restore("--replace", f"{shop.name}_twin", environment=there).code == 0
        assert shop.rows(HUNDRED, twin) == [100]

    def test_a_name_that_is_not_the_targets_is_refused(self, shop: BackedUp, twin: str) -> None:
        result = shop.restore("--replace", shop.name, environment={"DATABASE_URL": twin})
        assert (result.code, "Traceback" in result.err) == (2, False)
        assert shop.databases() == [shop.name, f"{shop.name}_twin"]

    def test_a_backup_of_another_environment_is_refused(self, shop: BackedUp) -> None:
        shop.manifest(environment="prod")
        result = shop.restore("--yes", "--json")
        said = [p["message"] for p in result.json()["error"]["problems"]]
        assert (result.code, said) == (1, ["the target is dev, the backup was taken in prod"])

    def test_the_database_of_another_project_is_refused(self, shop: BackedUp) -> None:
        shop.execute("UPDATE _nself_migration_meta SET project = 'bakery'")
        result = shop.restore("--json")
        [problem] = result.json()["error"]["problems"]
        assert (result.code, "`bakery`" in problem["message"]) == (1, True)


class TestStagingAndProd:
    @pytest.fixture
    def labelled(self, shop: BackedUp) -> BackedUp:
        shop.execute("UPDATE _nself_migration_meta SET environment = 'staging'")
        shop.manifest(environment="staging")
        return shop

    def test_it_wants_a_person_or_yes(self, labelled: BackedUp) -> None:
        result = labelled.restore("--json")
        error = result.json()["error"]
        assert (result.code, "`--yes`" in error["hint"]) == (2, True)
        assert labelled.databases() == [labelled.name]
        assert labelled.restore("--yes").code == 0

    def test_dropping_what_was_kept_wants_it_too(self, labelled: BackedUp) -> None:
        labelled.restore("--yes")
        assert labelled.nself("run").code == 0
        labelled.execute("UPDATE _nself_migration_meta SET environment = 'prod'")
        assert labelled.restore("--drop-old").code == 2
        assert labelled.kept in labelled.databases()
        assert labelled.restore("--drop-old", "--yes").code == 0
        assert labelled.kept not in labelled.databases()


class TestDropOld:
    def test_what_restores_of_this_backup_have_kept_goes_and_nothing_else(
        self, shop: BackedUp, server: ScratchServer
    ) -> None:
        shop.restore()
        shop.restore()
        server.create_database(f"{shop.kept}_by_hand")
        done = shop.restore("--drop-old", "--json")
        assert (done.code, done.json()["dropped"]) == (0, [shop.kept, f"{shop.kept}_2"])
        assert violations(done.json(), "restore") == []
        assert shop.databases() == [shop.name, f"{shop.kept}_by_hand"]

    def test_where_nothing_is_kept_it_says_so(self, shop: BackedUp, server: ScratchServer) -> None:
        server.create_database(shop.kept)
        result = shop.restore("--drop-old")
        assert (result.code, "no database is kept" in result.err) == (1, True)
        assert shop.databases() == [shop.name, shop.kept]

    def test_who_is_connected_to_it_is_named(self, shop: BackedUp) -> None:
        shop.restore()
        with psycopg.connect(with_database(shop.url, shop.kept), application_name="looker"):
            result = shop.restore("--drop-old", "--lock-wait", "0")
            assert (result.code, "`looker`" in result.err) == (1, True)
            assert shop.restore("--drop-old", "--disconnect").code == 0

    def test_its_dry_run_drops_nothing(self, shop: BackedUp) -> None:
        shop.restore()
        plan = shop.restore("--drop-old", "--dry-run", "--json").json()
        assert f"migrate:drop-old:{shop.kept}" in [step["id"] for step in plan["steps"]]
        assert violations(plan, "plan") == []
        assert shop.databases() == [shop.name, shop.kept]


class TestDryRun:
    def test_it_lists_the_steps_and_changes_nothing(
        self, shop: BackedUp, tools: Installation
    ) -> None:
        before = folder_tree(shop.project.root), catalog(shop.url, tools), shop.databases()
        plan = shop.restore("--dry-run", "--json")
        assert (plan.code, violations(plan.json(), "plan")) == (0, [])
        steps = [s["id"] for s in plan.json()["steps"] if s["status"] == "run"]
        assert steps[0] == "migrate:lock"
        assert steps[-2:] == ["migrate:restore:database:swap", "migrate:record"]
        assert (
            folder_tree(shop.project.root),
            catalog(shop.url, tools),
            shop.databases(),
        ) == before

    def test_what_is_refused_is_blocked_in_it_with_the_same_words(self, shop: BackedUp) -> None:
        shop.manifest(identity="1-1")
        plan, real = shop.restore("--dry-run", "--json"), shop.restore("--json")
        assert (plan.code, plan.json()["error"]) == (1, real.json()["error"])


class TestWhatIsLacking:
    def test_roles_that_the_dump_needs_are_named_before_anything(
        self, shop: BackedUp, clerk: str
    ) -> None:
        shop.execute(f"CREATE ROLE {clerk}_2", f"GRANT SELECT ON kept TO {clerk}, {clerk}_2")
        shop.project.migration("2", "b", "SELECT 2;")
        newer = shop.nself("run", "--json").json()["backup"]
        shop.execute(f"DROP OWNED BY {clerk}, {clerk}_2", f"DROP ROLE {clerk}, {clerk}_2")
        result = shop.nself("backups", "restore", newer, "--json")
        said = [p["message"] for p in result.json()["error"]["problems"]]
        assert said == [f"role `{clerk}` does not exist", f"role `{clerk}_2` does not exist"]
        assert (result.code, shop.databases()) == (1, [shop.name])

    def test_a_user_without_rights_is_told_all_of_them(self, shop: BackedUp, clerk: str) -> None:
        host = urlsplit(shop.url)
        url = host._replace(netloc=f"{quote(clerk)}@{host.netloc.partition('@')[2]}").geturl()
        shop.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {clerk}")
        url = url if "://" in url else url.replace(":", "://", 1)
        result = shop.restore("--json", environment={"DATABASE_URL": url})
        said = " ".join(p["message"] for p in result.json()["error"]["problems"])
        for word in ("CREATEDB", f"may not rename `{shop.name}`", "no member of `postgres`"):
            assert word in said
        assert (result.code, shop.databases()) == (1, [shop.name])

    def test_a_backup_that_is_not_whole_is_refused(self, shop: BackedUp) -> None:
        dump = shop.folder / "database.dump"
        data = bytearray(dump.read_bytes())
        data[len(data) // 2] ^= 1
        dump.write_bytes(data)
        result = shop.restore("--json")
        error = result.json()["error"]
        assert (result.code, error["code"], error["database"]) == (1, "backup", "unchanged")
        assert error["problems"][0]["path"].endswith("/database.dump")
        assert shop.databases() == [shop.name]

    def test_a_backup_of_files_alone_has_no_database_to_restore(self, shop: BackedUp) -> None:
        path = shop.folder / "manifest.json"
        manifest = json.loads(path.read_text())
        del manifest["database"]
        path.write_text(json.dumps(manifest))
        assert "holds no dump" in shop.restore("--database").err

    def test_a_restore_that_fails_half_way_leaves_only_the_old_database(
        self, shop: BackedUp
    ) -> None:
        shop.execute(
            "CREATE FUNCTION sound() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
            "CREATE TABLE checked (x int CHECK (sound()))",
            "INSERT INTO checked VALUES (1)",
            "CREATE OR REPLACE FUNCTION sound() RETURNS boolean LANGUAGE sql AS 'SELECT false'",
        )
        shop.project.migration("2", "b", "SELECT 2;")
        newer, before = shop.nself("run", "--json").json()["backup"], shop.oid()
        result = shop.nself("backups", "restore", newer, "--json")
        found = result.json()
        assert (result.code, found["database"], found["restored"]) == (1, "unchanged", None)
        assert found["failed_step"] == "migrate:restore:database:data"
        assert "violates check constraint" in found["error"]["detail"]
        assert "is in its place as it was" in found["state"]
        assert (shop.oid(), shop.databases()) == (before, [shop.name])


def test_the_embedded_database_is_restored_in_its_place(
    project: Project, tmp_path: Path, server: ScratchServer
) -> None:
    if server.kind != "embedded":
        return
    nself = Nself(project.root, {"DATABASE_URL": "embedded"})
    project.migration("1", "a", "CREATE TABLE a AS SELECT 1 AS i;", "DROP TABLE a;")
    project.migration("2", "b", "CREATE TABLE b (i int);", "DROP TABLE b;")
    assert nself("run", "--to", "1").code == 0
    backup = nself("run", "--json").json()["backup"]
    done = nself("backups", "restore", backup, "--json")
    assert (done.code, done.json()["pending_again"]) == (0, ["2"])
    nself.close()
    shutil.rmtree(tmp_path, ignore_errors=True)
