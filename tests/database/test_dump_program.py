"""A database of any name is dumped, the dump is read to its end, and a line tells how far it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psycopg
import pytest
from servers_for_tests import Nself, Project, ScratchServer
from sql_for_tests import execute, rows
from terminal_for_tests import at_a_terminal

from nself_tasks.database import connection as connecting
from nself_tasks.database import dump as dumping
from nself_tasks.database.pg_restore import installed
from nself_tasks.database.servers.binaries import dump_tools
from nself_tasks.database.servers.sockets import with_database
from nself_tasks.errors import BackupFailed


@pytest.mark.parametrize(
    "name",
    [
        "host=elsewhere",
        "postgresql://elsewhere/x",
        "it's \\ here",
        "--help",
    ],
)
def test_a_database_of_any_name_is_dumped_and_restored(
    project: Project, nself: Nself, server: ScratchServer, name: str
) -> None:
    own = f"{name}_{os.getpid()}"
    server.create_database(own)
    url = with_database(server.url, own)
    try:
        execute(url, "CREATE TABLE kept (x text)", "INSERT INTO kept VALUES ('before')")
        project.migration("1", "a", "UPDATE kept SET x = 'after';")
        given = {"DATABASE_URL": url}
        done = nself("run", "--json", environment=given)
        assert done.code == 0, done.err
        back = nself("backups", "restore", done.json()["backup"], environment=given)
        assert back.code == 0, back.err
        assert rows(url, "SELECT x FROM kept") == ["before"]
    finally:
        with psycopg.connect(server.url) as connection:
            found = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (own,)
            ).fetchall()
        for (each,) in found:
            server.drop_database(each)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_dump_that_was_cut_off_is_not_taken_for_one(
    server: ScratchServer, database: str, tmp_path: Path, kept: float
) -> None:
    tools = dump_tools(server.major)
    assert tools is not None
    execute(database, "CREATE TABLE filled AS SELECT md5(i::text) FROM generate_series(1, 999) i")
    dump = tmp_path / "dump"
    with connecting.connect(database, application="test") as connection:
        dumping.write(tools, connection, dump)
    assert dumping.verify(installed(tools), dump) > 0
    whole = dump.read_bytes()
    dump.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(BackupFailed, match="cannot be read back"):
        dumping.verify(installed(tools), dump)


@pytest.fixture
def one(project: Project, database: str) -> Project:
    """A migration that has nothing to do with a table that can be locked."""
    execute(database, "CREATE TABLE held (x int)")
    project.migration("1", "a", "CREATE TABLE a (x int);")
    return project


def test_at_a_terminal_a_line_tells_size_and_time_while_it_is_written(
    one: Project, database: str
) -> None:
    with psycopg.connect(database) as holder:
        # The dump waits for this lock until somebody has seen the line.
        holder.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        ended, said = at_a_terminal(
            one.root, database, "", "run", until=b" B, 1 s", when_asked=lambda _: holder.rollback()
        )
    assert ended == 0, said
    # It is blanked before the line of the step, which begins where it began.
    assert re.search(r"0 B, 1 s.*\r +\r\S*done +\S* ?migrate:backup:database", said, re.DOTALL), (
        said
    )


def test_elsewhere_no_line_is_written_over(one: Project, nself: Nself) -> None:
    done = nself("run")
    assert done.code == 0
    assert "\r" not in done.err
    assert " B, " not in done.err.replace(" B, pg_dump", "")
