"""A restore puts another database in the target's place while a run has lost its connection."""

from __future__ import annotations

import psycopg
from onlooker import Onlooker
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from servers_for_tests import Nself, Project, Result, ScratchServer
from wire import between

RUN = ("run", "--skip-backup", "--json")


def exchanged(server: ScratchServer, name: str) -> None:
    """Put a copy of the database in its place, as a restore that ends all sessions does."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )
        for text in (
            "CREATE DATABASE {copy} TEMPLATE {name}",
            "ALTER DATABASE {name} RENAME TO {kept}",
            "ALTER DATABASE {copy} RENAME TO {name}",
        ):
            names = {"name": name, "copy": f"{name}_copy", "kept": f"{name}_kept"}
            parts = {word: sql.Identifier(one) for word, one in names.items()}
            connection.execute(sql.SQL(text).format(**parts))


def test_the_run_does_not_go_on_in_the_other_database(
    project: Project, database: str, server: ScratchServer
) -> None:
    for version, name in enumerate(("first", "second", "third"), 1):
        project.migration(str(version), name, f"CREATE TABLE {name} (id integer);")
    target = str(conninfo_to_dict(database)["dbname"])
    with between(database) as wire:
        commit = wire.after("COMMIT", since="CREATE TABLE second")
        process = Nself(project.root, {"DATABASE_URL": wire.url}).start(*RUN)
        commit.wait()
        exchanged(server, target)
        commit.cut()
        out, err = process.communicate(timeout=60)
    result = Result(process.returncode, out, err)
    assert (result.code, "Traceback" in result.err) == (1, False)
    assert "it was replaced, as a restore does" in result.json()["error"]["message"]
    onlooker = Onlooker(database)
    assert onlooker.history() == [("1", "applied"), ("2", "applied")]
    again = Nself(project.root, {"DATABASE_URL": database})("run", "--skip-backup")
    assert (again.code, len(onlooker.history())) == (0, 3), again.err
    server.drop_database(f"{target}_kept")
