"""Ctrl-C as people press it: several times, and to every program of the terminal's group."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from onlooker import WAITS_FOR_LOCK, Onlooker
from servers_for_tests import Nself, Project, Result

TIMES = 6
LATER = 2.5
"""Longer than signals are taken for the same one."""


@pytest.fixture
def onlooker(database: str) -> Onlooker:
    return Onlooker(database)


def pressed(run: subprocess.Popen[str], times: int = TIMES) -> Result:
    """Press Ctrl-C so many times, and see how the command ends."""
    for _ in range(times):
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.02)
    out, err = run.communicate(timeout=30)
    return Result(run.returncode, out, err)


def test_ctrl_c_pressed_again_in_a_statement_ends_with_the_same_sentence(
    project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    onlooker.rows("CREATE TABLE legacy (id integer)")
    project.migration("1", "a", "CREATE TABLE a (id integer);")
    project.migration("2", "b", "ALTER TABLE legacy ADD COLUMN b integer;")
    with onlooker.locked("legacy"):
        run = nself.start("run", "--skip-backup", group=True)
        backend = onlooker.until(run, WAITS_FOR_LOCK)
        result = pressed(run)
    assert (result.code, "Traceback" in result.err) == (130, False)
    assert "1 migration applied in this run stays applied: 1." in result.out + result.err
    onlooker.until_gone(backend)
    assert nself("run", "--skip-backup").code == 0


def test_ctrl_c_pressed_again_in_a_backup_ends_with_the_same_sentence(
    project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    onlooker.rows("CREATE TABLE legacy (id integer)")
    project.migration("1", "a", "CREATE TABLE a (id integer);")
    with onlooker.locked("legacy", "ACCESS EXCLUSIVE"):
        run = nself.start("run", "--json", group=True)
        onlooker.until_any(f"{WAITS_FOR_LOCK} AND application_name = 'nself-migrate backup'")
        result = pressed(run)
    assert (result.code, "Traceback" in result.err) == (130, False)
    assert (result.json()["database"], result.json()["error"]["code"]) == (
        "unchanged",
        "interrupted",
    )
    assert nself("run").code == 0


@pytest.mark.parametrize("moment", ["at once", "later"])
def test_ctrl_c_never_ends_in_a_traceback(
    moment: str, project: Project, nself: Nself, onlooker: Onlooker
) -> None:
    onlooker.rows("CREATE TABLE legacy (id integer)")
    project.migration("1", "a", "ALTER TABLE legacy ADD COLUMN b integer;")
    with onlooker.locked("legacy"):
        run = nself.start("run", "--skip-backup", group=True)
        onlooker.until(run, WAITS_FOR_LOCK)
        os.killpg(run.pid, signal.SIGINT)
        if moment == "later":
            time.sleep(LATER)
        result = pressed(run, 40)
    assert (result.code, "Traceback" in result.err) == (130, False)
    assert nself("run", "--skip-backup").code == 0
