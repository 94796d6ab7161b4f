"""`--via compose`: a server that only its Compose network reaches, through its own container."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from docker_for_tests import Docker, libpq
from onlooker import WAITS_FOR_LOCK, Onlooker
from servers_for_tests import Nself, Project, Result, ScratchServer, within
from wire import Wire

from nself_tasks import compose_exec
from nself_tasks.compose_exec import stack_names
from nself_tasks.database.compose_relay import through_container
from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.scratch import open_scratch
from nself_tasks.errors import ConnectionFailed
from nself_tasks.model import Target
from nself_tasks.settings import load

VIA = ("--via", "compose")
RELAYS = ["bash", "busybox", "socat", "perl", "python3"]
CLIENT = """\
import psycopg, sys, time
connection = psycopg.connect(sys.argv[1])
print(connection.info.backend_pid, flush=True)
time.sleep(600)
"""
PRIVATE = "o8s-Kettle/4"


@contextmanager
def reached(docker: Docker, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of the socket that leads into the container."""
    monkeypatch.setenv("PATH", docker.path)
    url = wire.url.replace("@127.0.0.1:", "@postgres:")
    target = Target(url, "shown", "a test", via=("other", "demo"))
    root = Path(str(docker.home.parent / "demo"))
    with through_container(target, root) as found:
        yield found


def ended(run: Any) -> Result:
    out, err = run.communicate(timeout=60)
    return Result(run.returncode, out, err)


class TestRelays:
    @pytest.fixture(params=RELAYS)
    def only(self, request: pytest.FixtureRequest, docker: Docker) -> str:
        docker.put([request.param])
        return str(request.param)

    def test_every_byte_goes_through_in_both_directions(
        self, only: str, docker: Docker, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = bytes(range(256)) * 8000
        with (
            reached(docker, wire, monkeypatch) as url,
            psycopg.connect(url) as connection,
        ):
            row = connection.execute("SELECT %b::bytea, md5(%b::bytea)", [data, data]).fetchone()
        assert row == (data, hashlib.md5(data).hexdigest())
        assert only in docker.calls[-1]

    def test_the_servers_end_ends_the_connection(
        self, only: str, docker: Docker, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert only in RELAYS
        with (
            reached(docker, wire, monkeypatch) as url,
            psycopg.connect(url) as connection,
            pytest.raises(psycopg.OperationalError, match="terminating connection"),
        ):
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    def test_our_end_ends_the_servers_session(
        self,
        only: str,
        docker: Docker,
        wire: Wire,
        onlooker: Onlooker,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As after `kill -9` of the command: no farewell, only the end of the stream."""
        assert only in RELAYS
        with reached(docker, wire, monkeypatch) as url:
            client = subprocess.Popen(
                [sys.executable, "-c", CLIENT, url], stdout=subprocess.PIPE, text=True
            )
            with client:
                assert client.stdout is not None
                backend = int(client.stdout.readline())
                client.kill()
            onlooker.until_gone(backend)

    def test_a_cancellation_reaches_the_statement(
        self,
        only: str,
        docker: Docker,
        wire: Wire,
        onlooker: Onlooker,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert only in RELAYS
        with (
            reached(docker, wire, monkeypatch) as url,
            psycopg.connect(url) as connection,
            ThreadPoolExecutor(1) as pool,
        ):
            asked = pool.submit(connection.execute, "SELECT pg_sleep(60)")
            onlooker.until_any("query = 'SELECT pg_sleep(60)' AND wait_event = 'PgSleep'")
            connection.cancel_safe(timeout=10)
            with pytest.raises(psycopg.errors.QueryCanceled):
                asked.result(30)


def test_run_status_and_rollback_go_through_the_container(
    project: Project, behind: Nself, wire: Wire, onlooker: Onlooker
) -> None:
    project.migration("1", "a", "CREATE TABLE a (x int);", "DROP TABLE a;")
    shown = f"postgresql://postgres@postgres:{wire.port}/"
    run = behind("run", *VIA, "--json")
    assert run.code == 0, run.err
    assert run.json()["target"].startswith(shown)
    assert run.json()["target"].endswith(" via compose")
    assert onlooker.history() == [("1", "applied")]
    status = behind("status", *VIA)
    assert status.code == 0
    assert " via compose (dev): 1 applied" in status.out
    assert behind("rollback", *VIA).code == 0
    assert onlooker.history() == [("1", "rolled_back")]


def test_the_plan_says_that_it_goes_via_compose(project: Project, behind: Nself) -> None:
    project.migration("1", "a", "CREATE TABLE a (x int);")
    plan = behind("run", *VIA, "--dry-run")
    assert plan.code == 0, plan.err
    assert " via compose (dev)" in plan.out.splitlines()[0]


def test_the_password_is_asked_for_in_the_container_and_is_in_no_argument(
    project: Project, docker: Docker, inside: Installation
) -> None:
    with open_scratch(installation=inside) as server:
        url = _with_password(server)
        from wire import between

        with between(url) as wire:
            docker.put(["perl"])
            docker.set(environment=libpq(url))
            project.migration("1", "a", "CREATE TABLE a (x int);")
            right = wire.url.replace("@127.0.0.1:", "@postgres:")
            for password, code in ((PRIVATE, 0), ("wrong-Kettle", 1)):
                named = right.replace(PRIVATE.replace("/", "%2F"), password.replace("/", "%2F"))
                environment = {"DATABASE_URL": named, "PATH": docker.path}
                command = Nself(project.root, environment)
                done = command("run", *VIA)
                command.close()
                assert done.code == code, done.err
                assert password not in done.out + done.err
    assert "refused the user name or password" in done.err
    assert "Kettle" not in str(docker.calls)


def _with_password(server: ScratchServer) -> str:
    """Make the server want a password, by SCRAM, from everybody but its own superuser."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE ada SUPERUSER LOGIN")
        connection.execute(f"ALTER ROLE ada PASSWORD '{PRIVATE}'")
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = "'local all postgres trust'), ('local all all scram-sha-256'"
        connection.execute(f"COPY (VALUES ({rules})) TO '{row[0]}'")
        connection.execute("SELECT pg_reload_conf()")
    login = f"//ada:{PRIVATE.replace('/', '%2F')}@"
    url = server.url.replace("//postgres@", login)
    assert within(10, lambda: not _opens(url.replace(PRIVATE.replace("/", "%2F"), "x")))
    return url


def _opens(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_relay_killed_between_commit_and_answer_loses_nothing(
    project: Project, behind: Nself, wire: Wire, docker: Docker, onlooker: Onlooker
) -> None:
    project.migration("1", "a", "CREATE TABLE a (x int);")
    committed = wire.after("COMMIT", since="CREATE TABLE a")
    run = behind.start("run", *VIA, "--skip-backup", "--json")
    committed.wait()
    _kill(docker)
    committed.go_on()
    done = ended(run)
    assert done.code == 0, done.out
    assert "had committed; connected again" in done.err
    assert onlooker.history() == [("1", "applied")]


def test_a_relay_killed_in_a_statement_leaves_the_database_as_it_was(
    project: Project, behind: Nself, docker: Docker, onlooker: Onlooker
) -> None:
    onlooker.rows("CREATE TABLE busy (x int)")
    project.migration("1", "a", "CREATE TABLE a (x int); ALTER TABLE busy ADD y int;")
    with onlooker.locked("busy"):
        run = behind.start("run", *VIA, "--skip-backup", "--json")
        onlooker.until(run, WAITS_FOR_LOCK)
        _kill(docker)
        done = ended(run)
    assert (done.code, done.json()["database"]) == (1, "unchanged")
    assert "the connection was lost in 1" in done.json()["error"]["message"]
    assert onlooker.rows("SELECT to_regclass('a')") == [(None,)]
    assert behind("run", *VIA, "--skip-backup").code == 0


def _kill(docker: Docker) -> None:
    for pid in docker.relays():
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_ctrl_c_ends_the_run_and_not_the_relay_under_it(
    project: Project, behind: Nself, onlooker: Onlooker
) -> None:
    onlooker.rows("CREATE TABLE busy (x int)")
    project.migration("1", "a", "ALTER TABLE busy ADD y int;")
    with onlooker.locked("busy"):
        run = behind.start("run", *VIA, "--skip-backup", "--json")
        backend = onlooker.until(run, WAITS_FOR_LOCK)
        run.send_signal(signal.SIGINT)
        done = ended(run)
        onlooker.until_gone(backend)
    assert (done.code, done.json()["database"]) == (130, "unchanged")


def test_nothing_is_left_when_the_command_has_ended(
    project: Project, behind: Nself, docker: Docker, tmp_path: Path
) -> None:
    project.migration("1", "a", "SELECT 1;")
    # A short folder, as a socket's path has to be.
    short = Path(f"/tmp/n{os.getpid()}")
    short.mkdir()
    try:
        assert behind("run", *VIA, environment={"TMPDIR": str(short)}).code == 0
        assert list(short.iterdir()) == []
    finally:
        short.rmdir()
    assert within(10, lambda: not any(map(_alive, docker.relays())))


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_without_a_running_stack_it_says_how_to_start_one(
    project: Project, behind: Nself, docker: Docker
) -> None:
    docker.set(state="exited")
    project.migration("1", "a", "SELECT 1;")
    for command in ("run", "status", "rollback"):
        done = behind(command, *VIA)
        assert done.code == 1
        assert "runs its service `postgres`" in done.err
        assert "docker compose up -d postgres" in done.err


def test_a_stack_of_the_same_name_from_another_folder_is_not_taken(
    project: Project, behind: Nself, docker: Docker
) -> None:
    docker.set(folder="/srv/another")
    project.migration("1", "a", "SELECT 1;")
    assert behind("run", *VIA).code == 1
    assert not any("exec" in call for call in docker.calls)


def test_without_docker_it_says_so(project: Project, behind: Nself, tmp_path: Path) -> None:
    done = behind("status", *VIA, environment={"PATH": str(tmp_path)})
    assert done.code == 1
    assert "there is no `docker` on PATH" in done.err


def test_a_container_without_any_relay_is_told_with_every_reason(
    docker: Docker, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(ConnectionFailed, match="nothing in the container") as failed,
        reached(docker, wire, monkeypatch),
    ):
        pass
    for name in ("bash", "busybox nc", "socat", "perl", "python"):
        assert f"{name}: " in (failed.value.detail or "")


@pytest.mark.parametrize(
    "url", ["embedded", "postgresql://u@db.example.com/x", "postgresql://u@/x?host=/run/pg"]
)
def test_a_database_that_is_not_the_stacks_is_refused(
    behind: Nself, docker: Docker, url: str
) -> None:
    done = behind("status", *VIA, "--database-url", url)
    assert done.code == 2
    assert "`--via compose` goes to the stack's `postgres`" in done.err
    assert docker.calls == []


def test_a_server_that_nobody_reaches_from_here_is_told_with_the_way_through_the_stack(
    project: Project, behind: Nself
) -> None:
    project.write(".env", "PROJECT_NAME=demo\nPOSTGRES_PORT=1\n")
    project.migration("1", "a", "SELECT 1;")
    for command in ("run", "status", "rollback"):
        done = behind(command)
        assert done.code == 1
        assert "`--via compose` goes through it" in done.err


@pytest.mark.parametrize("change", [{"state": "exited"}, {"engine": False}], ids=str)
def test_where_the_stack_does_not_answer_the_hint_does_not_name_it(
    project: Project, behind: Nself, docker: Docker, change: dict[str, Any]
) -> None:
    project.write(".env", "PROJECT_NAME=demo\nPOSTGRES_PORT=1\n")
    docker.set(**change)
    done = behind("status")
    assert done.code == 1
    assert "--via" not in done.err


def test_a_server_elsewhere_gets_no_such_hint_and_docker_is_not_asked(
    behind: Nself, docker: Docker
) -> None:
    done = behind("status", "--database-url", "postgresql://u@nowhere.invalid/x")
    assert done.code == 1
    assert "--via" not in done.err
    assert docker.calls == []


def test_offline_plans_ask_no_docker(project: Project, behind: Nself, docker: Docker) -> None:
    project.migration("1", "a", "SELECT 1;")
    assert behind("run", *VIA, "--dry-run", "--offline").code == 0
    assert docker.calls == []


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("POSTGRES_USER=u\nPOSTGRES_DB=d\nPOSTGRES_PORT=5433\n", "u@postgres:5432/d"),
        ("DATABASE_URL=postgresql://u@postgres:6000/d\nPOSTGRES_PORT=5\n", "u@postgres:6000/d"),
        ("DATABASE_URL=postgresql://u@localhost:5433/d\n", "u@postgres:5432/d"),
    ],
)
def test_the_port_is_the_servers_own_and_not_the_published_one(
    project: Project, text: str, url: str
) -> None:
    project.write(".env", f"PROJECT_NAME=demo\n{text}")
    settings = load({"project": str(project.root), "via": "compose"}, {}, project.root)
    assert settings.target.url == f"postgresql://{url}"
    assert settings.target.shown == f"postgresql://{url} via compose"


@pytest.mark.parametrize(
    ("compose", "env", "process", "names"),
    [
        ("services: {}\n", "PROJECT_NAME=shop\n", {}, ("shop", "demo")),
        ("name: bar-${PROJECT_NAME}\n", "PROJECT_NAME=shop\n", {}, ("bar-shop", "shop", "demo")),
        ("name: foo\n", "COMPOSE_PROJECT_NAME=env\n", {}, ("env", "foo", "demo")),
        ("name: foo\n", "A=b\n", {"COMPOSE_PROJECT_NAME": "mine"}, ("mine", "foo", "demo")),
        ("name: --help\n", "PROJECT_NAME='$(rm x)'\n", {}, ("demo",)),
        ("name: [\n", "PROJECT_NAME=shop\n", {}, ("shop", "demo")),
    ],
)
def test_the_stacks_name_is_the_one_that_compose_uses(
    project: Project, compose: str, env: str, process: dict[str, str], names: tuple[str, ...]
) -> None:
    header = "# GENERATED BY nself build - DO NOT HAND EDIT\n"
    project.write("docker-compose.yml", header + compose)
    project.write(".env", env)
    assert stack_names(load({"project": str(project.root)}, process, project.root)) == names


def test_an_engine_that_hangs_is_asked_once(
    docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose_exec, "ASK_SECONDS", 0.5)
    monkeypatch.setenv("PATH", docker.path)
    docker.set(hangs=True)
    assert compose_exec.running(("a", "demo", "c"), docker.home.parent / "demo") is None
    assert len(docker.calls) <= 1
