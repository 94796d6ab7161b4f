"""`--wait-for-db`: what time alone can mend is waited for, and said; nothing else is."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import servers_for_tests as servers
from servers_for_tests import Nself, Project, ScratchServer
from sql_for_tests import applied

from nself_tasks.database.servers.cluster import Cluster
from nself_tasks.database.servers.ownership import account_for
from nself_tasks.database.servers.profiles import SCRATCH
from nself_tasks.database.servers.sockets import server_url


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize(
    "command", [["run", "--skip-backup"], ["rollback", "--skip-backup"], ["status"]]
)
def test_it_goes_on_as_soon_as_the_server_answers(
    project: Project, nself: Nself, database: str, tmp_path: Path, command: list[str]
) -> None:
    """The server's socket appears in a folder after the command has said that it waits."""
    project.migration("1", "a", "CREATE TABLE a (i int);", "DROP TABLE a;")
    parts = urlsplit(database)
    real = parts.query.partition("host=")[2].partition("&")[0]
    if not real:
        pytest.skip("this server has no socket")
    from urllib.parse import unquote

    later = tmp_path / "s"
    url = parts._replace(query=parts.query.replace(real, quote(str(later), safe=""))).geturl()
    process = nself.start(*command, "--wait-for-db", "30", environment={"DATABASE_URL": url})
    assert process.stderr is not None
    first = process.stderr.readline()
    assert "waiting for the database" in first
    assert "no server answers there" in first
    later.symlink_to(unquote(real))
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, out + err
    assert "the database answers after" in err


@pytest.fixture
def stopped(server: ScratchServer) -> Iterator[Cluster]:
    """A server of this test's own that does not run yet."""
    programs = servers.installation(server.kind if server.kind == "local" else "embedded")
    if programs is None:
        pytest.skip(f"no Postgres programs {servers.APT}")
    with tempfile.TemporaryDirectory(prefix="w", dir="/tmp") as short:
        folder = Path(short)
        account, usable = account_for(programs, folder)
        account.give(folder)
        cluster = Cluster(usable, account, folder / "data", folder / "s", SCRATCH)
        cluster.initialise()
        yield cluster
        cluster.stop()


def test_a_run_begins_when_a_server_has_started(
    project: Project, nself: Nself, stopped: Cluster
) -> None:
    project.migration("1", "a", "CREATE TABLE a (i int);")
    url = server_url(stopped.socket_dir)
    run = nself.start(
        "run", "--skip-backup", "--wait-for-db", "60", environment={"DATABASE_URL": url}
    )
    assert run.stderr
    while "waiting for the database" not in run.stderr.readline():
        assert run.poll() is None
    stopped.start()
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert applied(url) == ["1"]


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["rollback"], ["status"]])
def test_it_gives_up_when_the_time_is_over(
    project: Project, nself_offline: Nself, command: list[str]
) -> None:
    project.migration("1", "a", "CREATE TABLE a (i int);")
    url = f"postgresql://me@127.0.0.1:{free_port()}/x"
    result = nself_offline(*command, "--wait-for-db", "1", "--database-url", url)
    assert result.code == 1
    assert "error: waited 1 s for the database: cannot connect to" in result.err


def test_a_name_that_does_not_resolve_yet_is_waited_for(nself_offline: Nself) -> None:
    url = "postgresql://me@database.invalid/x"
    result = nself_offline("status", "--wait-for-db", "1", "--database-url", url)
    assert "waiting for the database" in result.err
    assert "the host name is unknown" in result.err


@pytest.mark.parametrize(
    ("change", "said"),
    [("no_such_database", "no such database"), ("no such role", "no such user")],
)
def test_what_waiting_cannot_mend_fails_at_once(
    nself: Nself, database: str, change: str, said: str
) -> None:
    parts = urlsplit(database)
    changed = (
        parts._replace(path=f"/{change}")
        if "database" in change
        else parts._replace(netloc=parts.netloc.replace("postgres@", "nobody_here@"))
    )
    began = time.monotonic()
    result = nself("status", "--wait-for-db", "60", "--database-url", changed.geturl())
    assert result.code == 1
    assert "waiting" not in result.err
    assert time.monotonic() - began < 30
    if said in ("no such database",):
        assert said in result.err


def test_a_url_that_no_server_would_take_fails_at_once(nself: Nself, server: ScratchServer) -> None:
    wrong = server.url + ("&" if "?" in server.url else "?") + "never=1"
    result = nself("status", "--wait-for-db", "600", "--database-url", wrong, seconds=30)
    assert (result.code, "waiting" in result.err) == (1, False)


def test_a_server_that_is_starting_is_waited_for(
    project: Project, nself: Nself, database: str
) -> None:
    """Its own words, by a stand-in on a port: FATAL 57P03, as Postgres sends it."""
    project.migration("1", "a", "CREATE TABLE a (i int);")
    fields = b"SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"
    answer = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answering() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    asked.append(client.recv(1024))
                    client.sendall(answer)

        threading.Thread(target=answering, daemon=True).start()
        port = listener.getsockname()[1]
        url = f"postgresql://me@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable"
        result = nself("run", "--wait-for-db", "2", "--database-url", url)
        listener.close()
    assert "the server is starting up, shutting down or recovering" in result.err
    assert (result.code, len(asked) > 1) == (1, True)
    assert nself("run", "--skip-backup").code == 0
    assert applied(database) == ["1"]


def test_without_the_flag_nothing_is_waited_for(nself_offline: Nself) -> None:
    url = f"postgresql://me@127.0.0.1:{free_port()}/x"
    result = nself_offline("status", "--database-url", url)
    assert (result.code, "wait" in result.err) == (1, False)


@pytest.mark.parametrize("value", ["-1", "soon", "nan"])
def test_a_time_that_is_none_is_a_usage_error(nself_offline: Nself, value: str) -> None:
    assert nself_offline("status", "--wait-for-db", value).code == 2
