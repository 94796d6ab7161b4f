"""Hasura is told of a changed schema, and never decides what becomes of a run."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hasura_for_tests import Hasura, playing
from onlooker import Onlooker
from servers_for_tests import Nself, Project

SECRET = "q3-Lantern-77-secret"
RUN = ("run", "--skip-backup")


@pytest.fixture
def hasura(project: Project) -> Iterator[Hasura]:
    """A Hasura that the project's env files name."""
    with playing(SECRET) as found:
        configure(project, found.port)
        yield found


@pytest.fixture(autouse=True)
def one(project: Project) -> Project:
    project.migration("1", "a", "CREATE TABLE a (x int);", "DROP TABLE a;")
    return project


def configure(project: Project, port: int, secret: str = SECRET) -> None:
    lines = f"HASURA_PORT={port}\nHASURA_GRAPHQL_ADMIN_SECRET={secret}\n"
    project.write(".env", f"PROJECT_NAME=demo\n{lines}")


def test_after_a_run_it_reads_the_catalog_again_as_the_last_step(
    nself: Nself, hasura: Hasura, onlooker: Onlooker
) -> None:
    run = nself(*RUN, "--json")
    assert run.code == 0, run.err
    assert hasura.kinds == ["reload_metadata"]
    assert hasura.asked[0]["args"]["reload_sources"] is True
    last = run.json()["steps"][-1]
    assert (last["id"], last["status"]) == ("migrate:hasura", "done")
    url = f"http://127.0.0.1:{hasura.port}"
    assert run.json()["hasura"] == {"endpoint": url, "reloaded": True, "inconsistent": []}
    assert onlooker.history() == [("1", "applied")]


def test_after_a_rollback_too(nself: Nself, hasura: Hasura) -> None:
    assert nself(*RUN, "--hasura", "off").code == 0
    assert hasura.asked == []
    assert nself("rollback", "--skip-backup").code == 0
    assert hasura.kinds == ["reload_metadata"]


def test_the_objects_that_do_not_fit_are_named_and_the_run_is_a_success(
    nself: Nself, hasura: Hasura
) -> None:
    reason = "Inconsistent object: no such table/view exists in source: orders"
    broken = {"type": "table", "name": "table orders in source default", "reason": reason}
    hasura.answers["reload_metadata"] = {"is_consistent": False, "inconsistent_objects": [broken]}
    run = nself(*RUN, "--json")
    assert run.code == 0
    assert run.json()["hasura"]["inconsistent"] == [broken]
    assert f"warning: Hasura: table table orders in source default is inconsistent: {reason}" in (
        run.err
    )
    assert "Hasura has 1 inconsistent object: correct or untrack them" in run.err


def test_an_older_server_is_asked_for_them_once_more(nself: Nself, hasura: Hasura) -> None:
    broken = {"type": "table", "definition": {"name": "orders"}, "reason": "gone"}
    hasura.answers = {
        "reload_metadata": {"message": "success"},
        "get_inconsistent_metadata": {"is_consistent": False, "inconsistent_objects": [broken]},
    }
    found = nself(*RUN, "--json").json()["hasura"]["inconsistent"]
    assert found == [{"type": "table", "name": '{"name": "orders"}', "reason": "gone"}]
    assert hasura.kinds == ["reload_metadata", "get_inconsistent_metadata"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"secret": "another-secret"}, "refused the admin secret"),
        ({"status": 500}, "answered reload_metadata with HTTP 500"),
        ({"status": 400, "raw": b'{"error":"field x"}'}, "with HTTP 400: field x"),
        ({"raw": b"<html>It works!</html>"}, "is no Hasura (HTTP 200, no JSON)"),
        ({"raw": b"[]"}, "is no Hasura"),
        ({"raw": b'{"inconsistent_objects": 7}'}, "is no Hasura"),
        ({"raw": b'{"inconsistent_objects":' + b"[" * 200_000}, "is no Hasura"),
        ({"redirect": "http://127.0.0.1:1/"}, "HTTP 307"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_whatever_it_answers_the_run_is_done_and_a_warning_says_what_to_do(
    nself: Nself, hasura: Hasura, onlooker: Onlooker, change: dict[str, Any], said: str
) -> None:
    for name, value in change.items():
        setattr(hasura, name, value)
    run = nself(*RUN, "--json")
    assert run.code == 0
    assert run.json()["hasura"]["reloaded"] is False
    [warning] = [m["text"] for m in run.json()["messages"] if m["level"] == "warning"]
    assert said in warning
    assert "its metadata was not reloaded: " in warning
    assert onlooker.history() == [("1", "applied")]
    assert SECRET not in run.out + run.err


def test_one_that_answers_byte_after_byte_is_left_after_ten_seconds(
    nself: Nself, project: Project
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        configure(project, listener.getsockname()[1])
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        run = nself(*RUN, "--json", seconds=40)
    assert (run.code, "did not answer within 10 s" in run.err) == (0, True), run.err


def drip(listener: socket.socket) -> None:
    """Send one byte of a header after the other, for ever."""
    stream, _ = listener.accept()
    with stream, contextlib.suppress(OSError):
        stream.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            stream.sendall(b"x")
            time.sleep(0.2)


def test_one_that_hangs_is_left_after_ten_seconds(nself: Nself, hasura: Hasura) -> None:
    hasura.silent = threading.Event()
    run = nself(*RUN, "--json", seconds=40)
    assert run.code == 0
    assert "did not answer within 10 s" in run.err
    [step] = [s for s in run.json()["steps"] if s["id"] == "migrate:hasura"]
    assert 9 < step["seconds"] < 20


def test_where_nobody_listens_a_note_says_so(nself: Nself, project: Project) -> None:
    configure(project, 1)
    run = nself(*RUN)
    assert run.code == 0
    assert "note: no Hasura answers at http://127.0.0.1:1" in run.err
    assert "warning" not in run.err


def test_a_migration_that_fails_is_not_told_to_it(
    nself: Nself, project: Project, hasura: Hasura
) -> None:
    project.migration("1", "a", "SELECT 1/0;")
    assert nself(*RUN).code == 1
    assert hasura.asked == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--skip-backup", "--hasura", "off"),
        ("run", "--dry-run"),
        ("run", "--dry-run", "--offline"),
        ("run", "--files-only"),
        ("status",),
        ("graph",),
        ("doit", "list"),
    ],
    ids=" ".join,
)
def test_it_is_not_asked(nself: Nself, hasura: Hasura, arguments: tuple[str, ...]) -> None:
    assert nself(*arguments).code == 0
    assert hasura.asked == []


def test_it_is_not_asked_where_nothing_was_pending(nself: Nself, hasura: Hasura) -> None:
    assert nself(*RUN).code == 0
    again = nself(*RUN, "--json")
    assert again.json()["hasura"] is None
    assert hasura.kinds == ["reload_metadata"]


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        ({"DATABASE_URL": "postgresql://u@db.example.com/x"}, ()),
        ({"DATABASE_URL": "embedded"}, ()),
        ({}, ("--env", "staging")),
    ],
    ids=["another-machine", "embedded", "another-environment"],
)
def test_a_hasura_that_is_not_the_databases_has_no_step(
    nself: Nself, hasura: Hasura, environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    plan = nself(
        "run", "--dry-run", "--offline", "--json", *arguments, environment=environment
    ).json()
    assert "migrate:hasura" not in [step["id"] for step in plan["steps"]]
    assert hasura.asked == []


def test_a_project_without_hasura_has_no_step(nself: Nself) -> None:
    plan = nself("run", "--dry-run", "--json").json()
    assert [step["id"] for step in plan["steps"]][-1] == "migrate:record"


def test_v1s_names_of_port_and_secret_are_read_too(
    nself: Nself, project: Project, hasura: Hasura
) -> None:
    text = f"PROJECT_NAME=demo\nHASURA_GRAPHQL_PORT={hasura.port}\nHASURA_ADMIN_SECRET={SECRET}\n"
    project.write(".env", text)
    run = nself(*RUN, "--schema-only", "--json")
    assert run.json()["hasura"]["reloaded"] is True


def test_a_proxy_of_the_environment_does_not_see_the_secret(nself: Nself, hasura: Hasura) -> None:
    with playing("no-secret") as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        named = {"http_proxy": url, "HTTP_PROXY": url, "all_proxy": url}
        assert nself(*RUN, environment=named).code == 0
        assert proxy.asked == []
    assert hasura.kinds == ["reload_metadata"]


class TestThePlan:
    @pytest.fixture(autouse=True)
    def tracked(self, hasura: Hasura) -> None:
        tables = [
            {"table": {"schema": s, "name": n}} for s, n in (("public", "orders"), ("x", "y"))
        ]
        source = {"name": "default", "kind": "postgres", "tables": tables}
        hasura.answers["export_metadata"] = {"version": 3, "sources": [source]}

    @staticmethod
    def reasons(nself: Nself, *arguments: str) -> list[str]:
        plan = nself("run", "--dry-run", "--json", *arguments).json()
        [step] = [s for s in plan["steps"] if s["id"] == "migrate:hasura"]
        return list(step["reasons"])

    def test_names_what_is_tracked_and_would_be_dropped_or_renamed(
        self, nself: Nself, project: Project, hasura: Hasura
    ) -> None:
        project.migration("2", "b", "DROP TABLE orders; DROP TABLE other;")
        project.migration("3", "c", "ALTER TABLE x.y RENAME COLUMN p TO q;")
        assert self.reasons(nself) == [
            "3 migrations may change what it tracks",
            "2: DROP TABLE touches public.orders, which Hasura tracks",
            "3: RENAME COLUMN p touches x.y, which Hasura tracks",
        ]
        assert hasura.kinds == ["export_metadata"]

    def test_asks_only_where_a_migration_drops_or_renames(
        self, nself: Nself, hasura: Hasura
    ) -> None:
        assert self.reasons(nself) == ["1 migration may change what it tracks"]
        assert hasura.asked == []

    def test_asks_nothing_offline(self, nself: Nself, project: Project, hasura: Hasura) -> None:
        project.migration("2", "b", "DROP TABLE orders;")
        assert self.reasons(nself, "--offline") == ["2 migrations may change what it tracks"]
        assert hasura.asked == []

    def test_reads_the_projects_files_where_hasura_does_not_answer(
        self, nself: Nself, project: Project
    ) -> None:
        configure(project, 1)
        folder = "hasura/metadata/databases/default/tables"
        project.write(f"{folder}/tables.yaml", '- "!include public_bills.yaml"\n')
        project.write(f"{folder}/public_bills.yaml", "table:\n  name: bills\n  schema: public\n")
        project.write(f"{folder}/broken.yaml", "table: [\n")
        project.migration("2", "b", "DROP TABLE IF EXISTS public.bills CASCADE;")
        assert self.reasons(nself)[1:] == [
            "2: DROP TABLE touches public.bills, which Hasura tracks"
        ]

    def test_says_of_a_refused_secret_that_the_tables_are_not_known(
        self, nself: Nself, project: Project, hasura: Hasura
    ) -> None:
        project.migration("2", "b", "DROP TABLE orders;")
        hasura.secret = "another"
        plan = nself("run", "--dry-run")
        assert plan.code == 0
        assert "refused the admin secret, what it tracks is not known" in plan.err

    def test_of_a_rollback_looks_at_the_down(
        self, nself: Nself, project: Project, hasura: Hasura
    ) -> None:
        project.migration("1", "a", "CREATE TABLE orders (x int);", "DROP TABLE orders;")
        assert nself(*RUN).code == 0
        plan = nself("rollback", "--dry-run")
        assert "1: DROP TABLE touches public.orders, which Hasura tracks" in plan.out
        assert hasura.kinds[-1] == "export_metadata"
