"""A server that has no room, writes nothing, is impatient, or takes a right away meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
import servers_for_tests as servers
from onlooker import WAITS_FOR_LOCK, Onlooker
from servers_for_tests import Nself, Project, ScratchServer
from wire import between

from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.cluster import Cluster
from nself_tasks.database.servers.scratch import throw_away
from nself_tasks.database.servers.sockets import server_url

RUN = ("run", "--skip-backup", "--json")
ROLE = "nself_test_deployer"


@pytest.fixture
def role(database: str, onlooker: Onlooker) -> Iterator[str]:
    """The URL's user, who owns the database and is no superuser."""
    onlooker.rows(
        f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object OR"
        " unique_violation THEN NULL; END $$"
    )
    [(name,)] = onlooker.rows("SELECT current_database()")
    onlooker.rows(f"ALTER DATABASE {name} OWNER TO {ROLE}")
    onlooker.rows(f"GRANT ALL ON SCHEMA public TO {ROLE}")
    yield ROLE
    onlooker.rows(f"ALTER ROLE {ROLE} RESET ALL")
    onlooker.rows(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")


@pytest.fixture
def as_role(role: str, project: Project, database: str) -> Iterator[Nself]:
    """The command as that user, with two migrations; the second needs the table `gate`."""
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{role}@{host}"))
    project.migration("1", "one", "CREATE TABLE one (id integer);")
    project.migration("2", "two", "ALTER TABLE gate ADD COLUMN two integer;")
    command = Nself(project.root, {"DATABASE_URL": url})
    yield command
    command.close()


@pytest.fixture
def gate(role: str, onlooker: Onlooker) -> None:
    onlooker.rows("CREATE TABLE gate (id integer)")
    onlooker.rows(f"ALTER TABLE gate OWNER TO {role}")


@pytest.mark.usefixtures("gate")
class TestOutOfConnections:
    def test_none_left_is_said_before_anything_and_the_next_run_does_it(
        self, as_role: Nself, onlooker: Onlooker
    ) -> None:
        onlooker.rows(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
        refused = as_role(*RUN)
        error = refused.json()["error"]
        assert (refused.code, error["database"]) == (1, "unchanged")
        assert error["message"].endswith(": the server has no free connection")
        assert onlooker.history() == []
        onlooker.rows(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
        assert as_role(*RUN).json()["applied"] == ["1", "2"]

    def test_one_left_is_enough_for_a_run_without_a_backup(
        self, as_role: Nself, onlooker: Onlooker
    ) -> None:
        onlooker.rows(f"ALTER ROLE {ROLE} CONNECTION LIMIT 1")
        done = as_role(*RUN)
        assert (done.code, done.json()["applied"]) == (0, ["1", "2"]), done.out

    def test_none_left_for_the_dump_changes_nothing(
        self, as_role: Nself, onlooker: Onlooker
    ) -> None:
        onlooker.rows(f"ALTER ROLE {ROLE} CONNECTION LIMIT 1")
        refused = as_role("run", "--json")
        error = refused.json()["error"]
        assert (refused.code, error["code"]) == (1, "backup"), refused.out
        assert refused.json()["database"] == "unchanged"
        assert "too many connections" in error["message"] + (error["detail"] or "")
        assert onlooker.history() == []
        onlooker.rows(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
        assert as_role("run", "--json").json()["applied"] == ["1", "2"]


@pytest.fixture(scope="module")
def programs(server: ScratchServer) -> Installation:
    """Programs of the kind of server that is tested, else any that are here."""
    kinds = [kind for kind in (server.kind, "embedded", "local") if kind in ("embedded", "local")]
    found = next(filter(None, map(servers.installation, kinds)), None)
    if found is None:
        pytest.skip(f"no Postgres programs {servers.APT}")
    return found


def standby(programs: Installation, *settings: str) -> Iterator[str]:
    """The URL of a server that replays a log without end, as a standby does."""

    def fill(cluster: Cluster) -> None:
        cluster.initialise()
        signal = cluster.data_dir / "standby.signal"
        signal.touch()
        cluster.account.give(signal)
        with (cluster.data_dir / "postgresql.conf").open("a") as file:
            file.write("\n".join(settings) + "\n")

    with throw_away(programs, fill) as folder:
        yield server_url(folder)


class TestInRecovery:
    @pytest.fixture
    def hot(self, programs: Installation) -> Iterator[Onlooker]:
        for url in standby(programs, "hot_standby = on"):
            yield Onlooker(url)

    @pytest.mark.parametrize("command", [RUN, ("rollback", "--skip-backup", "--json")])
    def test_a_standby_is_refused_in_words_and_taken_once_it_is_promoted(
        self, command: tuple[str, ...], hot: Onlooker, project: Project, nself_offline: Nself
    ) -> None:
        project.migration("1", "one", "CREATE TABLE one (id integer);", "DROP TABLE one;")
        there = {"DATABASE_URL": hot.url}
        refused = nself_offline(*command, environment=there)
        error = refused.json()["error"]
        assert (refused.code, error["database"]) == (1, "unchanged")
        assert (
            error["message"] == "the server is a standby or still in recovery, it takes no writes"
        )
        assert "the primary" in error["hint"]
        assert nself_offline("status", environment=there).code == 0
        hot.rows("SELECT pg_promote(true)")
        assert nself_offline(*RUN, environment=there).json()["applied"] == ["1"]

    def test_a_server_that_takes_no_session_yet_is_waited_for_by_a_person(
        self, programs: Installation, project: Project, nself_offline: Nself
    ) -> None:
        project.migration("1", "one", "CREATE TABLE one (id integer);")
        for url in standby(programs, "hot_standby = off"):
            refused = nself_offline(*RUN, environment={"DATABASE_URL": url})
            error = refused.json()["error"]
            assert (refused.code, error["database"]) == (1, "unchanged")
            assert "starting up, shutting down or recovering" in error["message"]


@pytest.mark.usefixtures("gate")
class TestImpatience:
    def test_a_statement_timeout_of_the_role_leaves_nothing_and_names_the_way_out(
        self, as_role: Nself, project: Project, onlooker: Onlooker
    ) -> None:
        onlooker.rows(f"ALTER ROLE {ROLE} SET statement_timeout = '2s'")
        slow = "CREATE TABLE slow (id integer);\nSELECT pg_sleep(60);\n"
        path = project.migration("3", "slow", slow)
        failed = as_role(*RUN)
        error = failed.json()["error"]
        assert (failed.code, failed.json()["database"]) == (1, "advanced")
        assert f"{path.name}:2:1: canceling statement due to statement timeout" in error["message"]
        assert "SET statement_timeout" in error["hint"]
        assert onlooker.history() == [("1", "applied"), ("2", "applied")]
        assert onlooker.rows("SELECT to_regclass('slow')") == [(None,)]
        path.write_text("SET statement_timeout = 0;\n" + slow.replace("(60)", "(2.2)"))
        assert as_role(*RUN).json()["applied"] == ["3"]

    def test_an_idle_session_timeout_does_not_end_a_run_that_makes_a_backup(
        self, as_role: Nself, onlooker: Onlooker, server_major: int
    ) -> None:
        if server_major < 14:
            pytest.skip("idle_session_timeout is there from 14 on")
        onlooker.rows(f"ALTER ROLE {ROLE} SET idle_session_timeout = '20ms'")
        with onlooker.locked("gate"):
            run = as_role.start("run", "--json")
            onlooker.until(run, WAITS_FOR_LOCK)
        out, err = run.communicate(timeout=60)
        assert run.returncode == 0, out + err
        assert onlooker.history() == [("1", "applied"), ("2", "applied")]


LOST = {
    "on a table": ("gate", "must be owner of table gate"),
    "on the history": ("public._nself_migrations", "permission denied for table _nself_migrations"),
}


@pytest.mark.usefixtures("gate")
@pytest.mark.parametrize(("table", "said"), LOST.values(), ids=LOST.keys())
def test_a_right_that_is_lost_between_two_migrations_costs_the_second_and_nothing_else(
    table: str, said: str, as_role: Nself, onlooker: Onlooker
) -> None:
    with between(as_role.environment["DATABASE_URL"]) as wire:
        second = wire.before("BEGIN", since="CREATE TABLE one")
        run = as_role.start(*RUN, environment={"DATABASE_URL": wire.url})
        second.wait()
        onlooker.rows(f"ALTER TABLE {table} OWNER TO postgres")
        second.go_on()
        out, err = run.communicate(timeout=60)
    found = json.loads(out)
    assert (run.returncode, said in found["error"]["message"]) == (1, True), out + err
    assert onlooker.history() == [("1", "applied")]
    assert onlooker.rows("SELECT 1 FROM pg_attribute WHERE attname = 'two'") == []
    assert found["database"] in ("advanced", "unknown")
    onlooker.rows(f"ALTER TABLE {table} OWNER TO {ROLE}")
    assert as_role(*RUN).json()["applied"] == ["2"]
